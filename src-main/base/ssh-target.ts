/** @file What ssh may be given as the machine to connect to. */

/** `host`, `user@host`, or a name of ~/.ssh/config. A leading dash is forbidden: ssh would read it as a flag. */
export const sshTarget = /^[A-Za-z0-9_][\w.@:[\]%-]{0,254}$/;
