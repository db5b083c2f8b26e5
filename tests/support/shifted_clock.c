// A clock that a test sets: preloaded into a server, it adds the milliseconds in the file SHIFTED_CLOCK to the time of
// day. The monotonic clock stays.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* shift;

__attribute__((constructor)) static void map_shift(void) {
  const char* path = getenv("SHIFTED_CLOCK");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void* mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) shift = mapped;
  close(fd);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const long failed = syscall(SYS_clock_gettime, clock, now);
  if (failed == 0 && clock == CLOCK_REALTIME && shift != NULL) {
    const int64_t ns = now->tv_nsec + *shift % 1000 * 1000000;
    now->tv_sec += *shift / 1000 + ns / 1000000000 - (ns < 0);
    now->tv_nsec = ns < 0 ? ns % 1000000000 + 1000000000 : ns % 1000000000;
  }
  return failed == 0 ? 0 : -1;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* stored) {
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  if (stored != NULL) *stored = precise.tv_sec;
  return precise.tv_sec;
}
