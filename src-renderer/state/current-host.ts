/** @file The computer that this tab shows: the local one, or a remote host. */

export const hostKey = 'cambium.host';

/** The name of the remote host, or null for this computer. */
export const currentHost = (): string | null => sessionStorage.getItem(hostKey);
