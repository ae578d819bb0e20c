/* The last error of a thread, as the CUDA runtime keeps it. */
#ifndef ERRORS_H
#define ERRORS_H

/* Remembers an error as the thread's last one, and returns it. */
int standin_fail(int error);

#endif
