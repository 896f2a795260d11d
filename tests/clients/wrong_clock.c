/* A wall clock that can be set for one process: preloaded, it adds what a file says, nanoseconds as eight
 * bytes of this machine, to every time of day. Time that only passes (CLOCK_MONOTONIC) is left alone.
 *
 * libfaketime does the same and more, but waits for ever in a program whose allocator is jemalloc: it takes
 * memory while it looks for the real function, and the allocator asks for the time. Nothing here takes memory. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;

static _Atomic int64_t right;

/* The file, once a process has found it; the right time before, and where there is none. */
static _Atomic(_Atomic int64_t *) shown;

static int64_t offset(void) {
    _Atomic int64_t *at = atomic_load(&shown);
    if (at == NULL) {
        const char *path = getenv("WRONG_CLOCK");
        int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *at, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        at = page == MAP_FAILED ? &right : page;
        atomic_store(&shown, at);
    }
    return atomic_load(at);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t all = now->tv_sec * SECOND + now->tv_nsec + offset();
        now->tv_sec = all / SECOND;
        now->tv_nsec = all % SECOND;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

time_t time(time_t *out) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (out != NULL) *out = precise.tv_sec;
    return precise.tv_sec;
}
