/*
 * What the stand-ins for NVIDIA's libraries share. Device memory is host memory that is only reserved;
 * kernels and matrix products are counted and not run; copies are made, up to a limit. So losses are zero,
 * and what means something is placement, memory, launches, copies, waits and the order of streams.  Every
 * function may be called from any thread.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stddef.h>
#include <stdint.h>

/* Error codes of the CUDA runtime and driver. */
enum { SUCCESS = 0, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101 };

/* Returned by what the stand-in does not have: cudaErrorNotSupported. */
enum { NOT_SUPPORTED = 801 };

/* ---- ledger.c: counts and amounts by name, and the lock that guards all state ---- */

void standin_lock(void);
void standin_unlock(void);

/* Adds 1 to the count and `amount` (bytes, threads or FLOPs) to the total of the row "`kind` `name`". */
void standin_count(const char *kind, const char *name, double amount);

/* Sets every count to zero, and the peak of the memory to what is allocated now. */
void standin_reset(void);

/*
 * Writes the ledger: a line "count TAB amount TAB name" for each row that is not zero. Returns 0, or -1 if
 * the file cannot be written.
 */
int standin_write(const char *path);

/* ---- memory.c: device memory and pinned host memory ---- */

enum memory_kind { PAGEABLE, PINNED, DEVICE };

/* Allocates `bytes`, zero-filled when first read; NULL if the device's memory does not suffice. */
void *standin_allocate(size_t bytes, enum memory_kind kind);

/* Frees what `standin_allocate` returned; ignores any other address. */
void standin_free(void *address);

/* The kind of memory that an address lies in: PAGEABLE for all memory that was not allocated here. */
enum memory_kind standin_memory_kind(const void *address);

uint64_t standin_current_bytes(void);
uint64_t standin_peak_bytes(void);
uint64_t standin_total_bytes(void);
void standin_reset_peak(void);

/* The memory of the device in bytes. The variable CUDA_STANDIN_MEMORY sets it at the start. */
void standin_set_total_bytes(uint64_t bytes);

/*
 * Larger copies are counted and not made, and the host reads zeros. With it a model takes no host memory.
 * Default: every copy is made.
 */
void standin_set_copy_limit(uint64_t bytes);

/* Makes a copy, or fills memory with a byte, unless it is larger than the limit. */
void standin_copy(void *to, const void *from, size_t bytes, int is_to_host);
void standin_fill(void *address, int value, size_t bytes);

/* ---- order.c: streams, events, and which work is ordered after which ---- */

typedef struct stream stream;
typedef struct event event;

/* What a stream is asked to do. */
enum work { KERNEL, COPY_TO_DEVICE, COPY_TO_HOST, COPY_ON_DEVICE, WORK_KINDS };

/* `blocking`: whether it is ordered with the legacy default stream, as cudaStreamCreate makes it. */
stream *standin_create_stream(int blocking);
void standin_destroy_stream(stream *s);
event *standin_create_event(void);
void standin_destroy_event(event *e);

/*
 * Adds work to a stream; NULL is the legacy default stream. Counts a row "order …" if the work does not
 * wait for earlier work of another stream that it depends on: kernels on copies to the device and on other
 * kernels, copies to the host on kernels.
 */
void standin_add_work(stream *s, enum work kind, double bytes);

void standin_record_event(event *e, stream *s);
void standin_stream_waits(stream *s, event *e);

/* The host waits: all work it adds from now on comes after what it waited for. */
void standin_host_waits_for_stream(stream *s);
void standin_host_waits_for_event(event *e);
void standin_host_waits_for_device(void);

/* Calls `row` for each count of each stream, such as "stream 1 kernels". The lock is held. */
void standin_list_streams(void (*row)(const char *name, uint64_t count, double amount));
void standin_reset_streams(void);

#endif
