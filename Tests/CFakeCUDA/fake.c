// SPDX-License-Identifier: Apache-2.0

#include "CFakeCUDA.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    int64_t tail;  // when all that is on it is done
    int priority;
};

struct event {
    int64_t time;
    int is_recorded;
};

// Something that happens at a time: one half of a kernel, or a copy.
struct effect {
    int64_t time, order;
    void (*call)(void *);
    void *context;
    void *to;
    const void *from;
    size_t bytes;
};

struct allocation {
    void *memory;
    size_t bytes;
};

enum { MOST_EFFECTS = 65536, MOST_ALLOCATIONS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int devices;
    size_t memory, device_bytes, pinned_bytes;
    int64_t overhead, per_kib, now, order, engine[3];
    struct effect effects[MOST_EFFECTS];
    int effect_count, objects;
    struct allocation device[MOST_ALLOCATIONS], pinned[MOST_ALLOCATIONS];
    struct {
        int is_armed, calls, code, lasts;
    } failures[FAKE_ENTRIES];
} fake;

static pthread_cond_t given_back = PTHREAD_COND_INITIALIZER;
static int is_claimed;

void fake_cuda_claim(void) {
    pthread_mutex_lock(&lock);
    while (is_claimed) {
        pthread_cond_wait(&given_back, &lock);
    }
    is_claimed = 1;
    pthread_mutex_unlock(&lock);
}

void fake_cuda_give_back(void) {
    pthread_mutex_lock(&lock);
    is_claimed = 0;
    pthread_cond_signal(&given_back);
    pthread_mutex_unlock(&lock);
}

void fake_cuda_reset(int devices, size_t memory_bytes, int64_t copy_overhead, int64_t copy_ns_per_kib) {
    pthread_mutex_lock(&lock);
    memset(&fake, 0, sizeof fake);
    fake.devices = devices;
    fake.memory = memory_bytes;
    fake.overhead = copy_overhead;
    fake.per_kib = copy_ns_per_kib;
    pthread_mutex_unlock(&lock);
}

void fake_cuda_fail(fake_cuda_entry entry, int calls, int code, int lasts) {
    pthread_mutex_lock(&lock);
    fake.failures[entry].is_armed = 1;
    fake.failures[entry].calls = calls;
    fake.failures[entry].code = code;
    fake.failures[entry].lasts = lasts;
    pthread_mutex_unlock(&lock);
}

static int failure(fake_cuda_entry entry) {
    if (!fake.failures[entry].is_armed || fake.failures[entry].calls-- > 0) {
        return 0;
    }
    fake.failures[entry].calls = 0;
    fake.failures[entry].is_armed = fake.failures[entry].lasts;
    return fake.failures[entry].code;
}

static void add(struct effect effect) {
    if (fake.effect_count == MOST_EFFECTS) {
        fprintf(stderr, "fake CUDA: too much on the streams\n");
        abort();
    }
    effect.order = fake.order++;
    fake.effects[fake.effect_count++] = effect;
}

// Lets the host's time reach `time`: what happens until then takes effect, in order. Called with the lock held; kernels
// run without it, because they may take long.
static void advance(int64_t time) {
    if (fake.now < time) {
        fake.now = time;
    }
    for (;;) {
        int first = -1;
        for (int index = 0; index < fake.effect_count; index++) {
            struct effect *effect = &fake.effects[index];
            if (effect->time > fake.now) {
                continue;
            }
            if (first < 0 || effect->time < fake.effects[first].time ||
                (effect->time == fake.effects[first].time && effect->order < fake.effects[first].order)) {
                first = index;
            }
        }
        if (first < 0) {
            return;
        }
        struct effect effect = fake.effects[first];
        fake.effects[first] = fake.effects[--fake.effect_count];
        if (effect.call != NULL) {
            effect.call(effect.context);
        } else {
            memcpy(effect.to, effect.from, effect.bytes);
        }
    }
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

void fake_cuda_launch(void *handle, int64_t nanoseconds, void (*start)(void *), void (*end)(void *), void *context) {
    struct stream *stream = handle;
    pthread_mutex_lock(&lock);
    int64_t begins = later(stream->tail, fake.now);
    stream->tail = begins + nanoseconds;
    add((struct effect){.time = begins, .call = start, .context = context});
    add((struct effect){.time = stream->tail, .call = end, .context = context});
    pthread_mutex_unlock(&lock);
}

int64_t fake_cuda_now(void) {
    pthread_mutex_lock(&lock);
    int64_t now = fake.now;
    pthread_mutex_unlock(&lock);
    return now;
}

size_t fake_cuda_device_bytes(void) { return fake.device_bytes; }
size_t fake_cuda_pinned_bytes(void) { return fake.pinned_bytes; }
int fake_cuda_objects(void) { return fake.objects; }
int fake_cuda_priority(void *stream) { return ((struct stream *)stream)->priority; }

// -- the functions --------------------------------------------------------------------------------------------------

static int version(int *number) {
    *number = 13000;
    return 0;
}

static const char *error_name(int code) { return code == CUDA_OUT_OF_MEMORY ? "outOfMemory" : "someError"; }
static const char *error_text(int code) { return code == CUDA_OUT_OF_MEMORY ? "out of memory" : "it did not work"; }
static int last_error(void) { return 0; }

static int device_count(int *count) {
    pthread_mutex_lock(&lock);
    int code = failure(FAKE_DEVICE_COUNT);
    *count = fake.devices;
    pthread_mutex_unlock(&lock);
    return code;
}

static int choose_device(int device) { return device < fake.devices ? 0 : CUDA_NO_DEVICE; }

static int device_attribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == CUDA_ATTRIBUTE_MAJOR ? 9 : attribute == CUDA_ATTRIBUTE_MINOR ? 0 : 3;
    return 0;
}

static int memory_info(size_t *free_bytes, size_t *total_bytes) {
    *total_bytes = fake.memory;
    *free_bytes = fake.memory - fake.device_bytes;
    return 0;
}

static int priority_range(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return 0;
}

static int synchronize(void) {
    pthread_mutex_lock(&lock);
    for (int index = 0; index < fake.effect_count; index++) {
        advance(fake.effects[index].time);
        index = -1;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int allocate(void **memory, size_t bytes, fake_cuda_entry entry, struct allocation *list, size_t *total, size_t limit) {
    pthread_mutex_lock(&lock);
    int code = failure(entry);
    if (code == 0 && *total + bytes > limit) {
        code = CUDA_OUT_OF_MEMORY;
    }
    for (int index = 0; code == 0 && index < MOST_ALLOCATIONS; index++) {
        if (list[index].memory == NULL) {
            *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
            memset(*memory, 0xA5, bytes);
            list[index] = (struct allocation){*memory, bytes};
            *total += bytes;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int release(void *memory, struct allocation *list, size_t *total) {
    pthread_mutex_lock(&lock);
    int code = 1;
    for (int index = 0; index < MOST_ALLOCATIONS; index++) {
        if (memory != NULL && list[index].memory == memory) {
            *total -= list[index].bytes;
            free(memory);
            list[index] = (struct allocation){NULL, 0};
            code = 0;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int device_allocate(void **memory, size_t bytes) {
    return allocate(memory, bytes, FAKE_DEVICE_ALLOCATE, fake.device, &fake.device_bytes, fake.memory);
}

static int device_free(void *memory) { return release(memory, fake.device, &fake.device_bytes); }

static int pinned_allocate(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    return allocate(memory, bytes, FAKE_PINNED_ALLOCATE, fake.pinned, &fake.pinned_bytes, (size_t)-1);
}

static int pinned_free(void *memory) { return release(memory, fake.pinned, &fake.pinned_bytes); }

static int copy(void *to, const void *from, size_t bytes, int direction, void *handle) {
    struct stream *stream = handle;
    pthread_mutex_lock(&lock);
    int code = failure(FAKE_COPY);
    if (code == 0) {
        int64_t begins = later(later(stream->tail, fake.now), fake.engine[direction]);
        stream->tail = begins + fake.overhead + (int64_t)bytes * fake.per_kib / 1024;
        fake.engine[direction] = stream->tail;
        add((struct effect){.time = stream->tail, .to = to, .from = from, .bytes = bytes});
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int count_object(int change) {
    pthread_mutex_lock(&lock);
    fake.objects += change;
    pthread_mutex_unlock(&lock);
    return 0;
}

static int stream_create(void **made, unsigned flags, int priority) {
    (void)flags;
    struct stream *stream = calloc(1, sizeof *stream);
    stream->priority = priority;
    *made = stream;
    return count_object(1);
}

static int stream_destroy(void *stream) {
    free(stream);
    return count_object(-1);
}

static int stream_synchronize(void *stream) {
    pthread_mutex_lock(&lock);
    advance(((struct stream *)stream)->tail);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int stream_wait(void *handle, void *event, unsigned flags) {
    (void)flags;
    struct stream *stream = handle;
    pthread_mutex_lock(&lock);
    if (((struct event *)event)->is_recorded) {
        stream->tail = later(stream->tail, ((struct event *)event)->time);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int event_create(void **made, unsigned flags) {
    (void)flags;
    *made = calloc(1, sizeof(struct event));
    return count_object(1);
}

static int event_destroy(void *event) {
    free(event);
    return count_object(-1);
}

static int event_record(void *handle, void *stream) {
    struct event *event = handle;
    pthread_mutex_lock(&lock);
    event->time = later(((struct stream *)stream)->tail, fake.now);
    event->is_recorded = 1;
    pthread_mutex_unlock(&lock);
    return 0;
}

static int event_query(void *handle) {
    pthread_mutex_lock(&lock);
    int code = ((struct event *)handle)->time <= fake.now ? 0 : CUDA_NOT_READY;
    pthread_mutex_unlock(&lock);
    return code;
}

static int event_synchronize(void *handle) {
    pthread_mutex_lock(&lock);
    int code = failure(FAKE_EVENT_SYNCHRONIZE);
    if (code == 0) {
        advance(((struct event *)handle)->time);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int event_elapsed(float *milliseconds, void *from, void *to) {
    *milliseconds = (float)(((struct event *)to)->time - ((struct event *)from)->time) / 1e6f;
    return 0;
}

static int device_name(char *name, int capacity, int device) {
    snprintf(name, (size_t)capacity, "fake %d", device);
    return 0;
}

const cuda_api *fake_cuda_table(void) {
    static const cuda_api table = {
        .runtime_version = version,
        .driver_version = version,
        .error_name = error_name,
        .error_text = error_text,
        .last_error = last_error,
        .device_count = device_count,
        .choose_device = choose_device,
        .device_attribute = device_attribute,
        .memory_info = memory_info,
        .priority_range = priority_range,
        .synchronize = synchronize,
        .device_allocate = device_allocate,
        .device_free = device_free,
        .pinned_allocate = pinned_allocate,
        .pinned_free = pinned_free,
        .copy = copy,
        .stream_create = stream_create,
        .stream_destroy = stream_destroy,
        .stream_synchronize = stream_synchronize,
        .stream_wait = stream_wait,
        .event_create = event_create,
        .event_destroy = event_destroy,
        .event_record = event_record,
        .event_query = event_query,
        .event_synchronize = event_synchronize,
        .event_elapsed = event_elapsed,
        .device_name = device_name,
    };
    return &table;
}
