/*
 * Streams and events with vector clocks: each stream knows up to which piece of work of every other stream
 * its own next work waits. Work of different streams that no event, wait or default stream orders may run
 * at once.
 */
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS = 512 };

/* For each stream, the number of its newest work that is waited for. */
typedef struct {
  uint64_t at[STREAMS];
} clock_vector;

struct stream {
  int is_used;
  int is_blocking;
  /* The newest work of each kind, and the newest of it that was reported as unordered. */
  uint64_t newest[WORK_KINDS];
  uint64_t reported[WORK_KINDS];
  uint64_t counts[WORK_KINDS];
  double amounts[WORK_KINDS];
  uint64_t recorded_events;
  uint64_t awaited_events;
  uint64_t host_waits;
  /* What the next work of this stream waits for; its own entry numbers its newest work. */
  clock_vector seen;
};

struct event {
  clock_vector seen;
};

/* Stream 0 is the legacy default stream, stream 1 the per-thread default stream. */
static stream streams[STREAMS];
static clock_vector host;

__attribute__((constructor)) static void open_default_streams(void) {
  for (int i = 0; i < 2; i++) streams[i].is_used = streams[i].is_blocking = 1;
}

static void merge(clock_vector *into, const clock_vector *from) {
  for (int i = 0; i < STREAMS; i++)
    if (from->at[i] > into->at[i]) into->at[i] = from->at[i];
}

/* The number of a stream. CUDA's handles 0, 1 and 2 are the default streams. */
static int number_of(const stream *s) {
  uintptr_t handle = (uintptr_t)s;
  if (handle <= 1) return 0;
  if (handle == 2) return 1;
  return (int)(s - streams);
}

static stream *resolve(stream *s) { return &streams[number_of(s)]; }

stream *standin_create_stream(int blocking) {
  standin_lock();
  stream *created = NULL;
  for (int i = 3; i < STREAMS && !created; i++)
    if (!streams[i].is_used) created = &streams[i];
  if (created) {
    created->is_used = 1;
    created->is_blocking = blocking;
  }
  standin_unlock();
  return created;
}

void standin_destroy_stream(stream *s) {
  standin_lock();
  if (number_of(s) > 2) resolve(s)->is_used = 0;
  standin_unlock();
}

event *standin_create_event(void) { return calloc(1, sizeof(event)); }
void standin_destroy_event(event *e) { free(e); }

/* Work of the legacy default stream and of blocking streams is ordered without events. */
static void follow_default_stream(stream *s) {
  if (!s->is_blocking) return;
  if (s != &streams[0]) {
    merge(&s->seen, &streams[0].seen);
    return;
  }
  for (int i = 1; i < STREAMS; i++)
    if (streams[i].is_blocking) merge(&s->seen, &streams[i].seen);
}

/*
 * Returns whether some stream has work of a kind that the next work of `s` does not wait for. Each such
 * piece of work is reported once.
 */
static int find_unordered(const stream *s, enum work kind) {
  int is_found = 0;
  for (int i = 0; i < STREAMS; i++) {
    stream *other = &streams[i];
    uint64_t newest = other->newest[kind];
    if (other == s || newest <= other->reported[kind] || newest <= s->seen.at[i]) continue;
    other->reported[kind] = newest;
    is_found = 1;
  }
  return is_found;
}

/*
 * The row of the ledger for work that does not wait for what it depends on; NULL if it waits for
 * everything.
 */
static const char *find_race(const stream *s, enum work kind) {
  if (kind == COPY_TO_HOST) return find_unordered(s, KERNEL) ? "copy to host not after a kernel" : NULL;
  if (kind == COPY_TO_DEVICE) return NULL;
  if (find_unordered(s, COPY_TO_DEVICE)) return "kernel not after a copy to the device";
  return find_unordered(s, KERNEL) ? "kernel not after a kernel of another stream" : NULL;
}

void standin_add_work(stream *handle, enum work kind, double bytes) {
  standin_lock();
  stream *s = resolve(handle);
  int i = number_of(handle);
  merge(&s->seen, &host);
  follow_default_stream(s);
  const char *race = find_race(s, kind);
  s->newest[kind] = ++s->seen.at[i];
  s->counts[kind]++;
  s->amounts[kind] += bytes;
  standin_unlock();
  if (race) standin_count("order", race, 0);
}

void standin_record_event(event *e, stream *handle) {
  standin_lock();
  stream *s = resolve(handle);
  e->seen = s->seen;
  s->recorded_events++;
  standin_unlock();
}

void standin_stream_waits(stream *handle, event *e) {
  standin_lock();
  stream *s = resolve(handle);
  merge(&s->seen, &e->seen);
  s->awaited_events++;
  standin_unlock();
}

void standin_host_waits_for_stream(stream *handle) {
  standin_lock();
  stream *s = resolve(handle);
  follow_default_stream(s);
  merge(&host, &s->seen);
  s->host_waits++;
  standin_unlock();
}

void standin_host_waits_for_event(event *e) {
  standin_lock();
  merge(&host, &e->seen);
  standin_unlock();
}

void standin_host_waits_for_device(void) {
  standin_lock();
  for (int i = 0; i < STREAMS; i++) merge(&host, &streams[i].seen);
  standin_unlock();
}

void standin_list_streams(void (*row)(const char *name, uint64_t count, double amount)) {
  static const char *const names[WORK_KINDS] = {"kernels", "copies to device", "copies to host",
                                                "copies on device"};
  char name[64];
  for (int i = 0; i < STREAMS; i++) {
    for (int kind = 0; kind < WORK_KINDS; kind++) {
      snprintf(name, sizeof name, "stream %d %s", i, names[kind]);
      if (streams[i].counts[kind]) row(name, streams[i].counts[kind], streams[i].amounts[kind]);
    }
    snprintf(name, sizeof name, "stream %d recorded events", i);
    if (streams[i].recorded_events) row(name, streams[i].recorded_events, 0);
    snprintf(name, sizeof name, "stream %d awaited events", i);
    if (streams[i].awaited_events) row(name, streams[i].awaited_events, 0);
    snprintf(name, sizeof name, "stream %d waits of the host", i);
    if (streams[i].host_waits) row(name, streams[i].host_waits, 0);
  }
}

void standin_reset_streams(void) {
  for (int i = 0; i < STREAMS; i++) {
    memset(streams[i].counts, 0, sizeof streams[i].counts);
    memset(streams[i].amounts, 0, sizeof streams[i].amounts);
    streams[i].recorded_events = 0;
    streams[i].awaited_events = 0;
    streams[i].host_waits = 0;
  }
}
