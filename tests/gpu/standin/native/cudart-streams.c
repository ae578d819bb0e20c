/* The CUDA runtime: streams, events and graphs. */
#include "standin.h"

#include <stdint.h>
#include <stdlib.h>

enum { NON_BLOCKING = 1 };

int cudaStreamCreateWithFlags(stream **out, unsigned flags) {
  standin_count("stream", "created", 0);
  *out = standin_create_stream(!(flags & NON_BLOCKING));
  return *out ? SUCCESS : OUT_OF_MEMORY;
}

int cudaStreamCreate(stream **out) { return cudaStreamCreateWithFlags(out, 0); }

int cudaStreamDestroy(stream *s) {
  standin_destroy_stream(s);
  return SUCCESS;
}

int cudaStreamSynchronize(stream *s) {
  standin_count("wait", "for a stream", 0);
  standin_host_waits_for_stream(s);
  return SUCCESS;
}

int cudaStreamWaitEvent(stream *s, event *e, unsigned flags) {
  (void)flags;
  standin_count("event", "awaited by a stream", 0);
  standin_stream_waits(s, e);
  return SUCCESS;
}

int cudaEventCreateWithFlags(event **out, unsigned flags) {
  (void)flags;
  *out = standin_create_event();
  return *out ? SUCCESS : OUT_OF_MEMORY;
}

int cudaEventCreate(event **out) { return cudaEventCreateWithFlags(out, 0); }

int cudaEventDestroy(event *e) {
  standin_destroy_event(e);
  return SUCCESS;
}

int cudaEventRecord(event *e, stream *s) {
  standin_count("event", "recorded", 0);
  standin_record_event(e, s);
  return SUCCESS;
}

int cudaEventSynchronize(event *e) {
  standin_count("wait", "for an event", 0);
  standin_host_waits_for_event(e);
  return SUCCESS;
}

int cudaEventElapsedTime(float *milliseconds, event *start, event *end) {
  (void)start;
  (void)end;
  *milliseconds = 1;
  return SUCCESS;
}

int cudaLaunchHostFunc(stream *s, void (*function)(void *), void *data) {
  (void)s;
  function(data);
  return SUCCESS;
}

static _Thread_local int is_capturing;
static int graph;

int cudaStreamBeginCapture(stream *s, int mode) {
  (void)s;
  (void)mode;
  is_capturing = 1;
  return SUCCESS;
}

int cudaStreamEndCapture(stream *s, void **out) {
  (void)s;
  is_capturing = 0;
  *out = &graph;
  return SUCCESS;
}

int cudaStreamIsCapturing(stream *s, int *status) {
  (void)s;
  *status = is_capturing;
  return SUCCESS;
}

int cudaGraphInstantiate(void **out, void *from, unsigned long long flags) {
  (void)flags;
  *out = from;
  return SUCCESS;
}

/* A graph counts as one kernel: what was captured was counted then. */
int cudaGraphLaunch(void *instance, stream *s) {
  (void)instance;
  standin_count("graph", "launched", 0);
  standin_add_work(s, KERNEL, 0);
  return SUCCESS;
}

int cudaGraphDestroy(void *destroyed) {
  (void)destroyed;
  return SUCCESS;
}

int cudaGraphExecDestroy(void *instance) {
  (void)instance;
  return SUCCESS;
}
