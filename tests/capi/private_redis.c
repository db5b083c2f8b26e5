#define _GNU_SOURCE
#include "private_redis.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];
static char url[128];
static char program[512] = "redis-server";
static pid_t server = -1;
static pid_t owner = -1;

static void give_up(const char* what) {
  fprintf(stderr, "private redis: %s: %s\n", what, strerror(errno));
  exit(1);
}

const char* private_redis_url(void) { return url; }

const char* private_redis_path(const char* name) {
  static char paths[4][128];
  static unsigned next = 0;
  char* const path = paths[next++ % 4];
  if (snprintf(path, sizeof(paths[0]), "%s/%s", folder, name) >= (int)sizeof(paths[0])) {
    errno = ENAMETOOLONG;
    give_up(name);
  }
  return path;
}

static void remove_folder(void) {
  DIR* const entries = opendir(folder);
  const struct dirent* entry;
  while (entries != NULL && (entry = readdir(entries)) != NULL) unlink(private_redis_path(entry->d_name));
  if (entries != NULL) closedir(entries);
  rmdir(folder);
}

static void end(void) {
  if (getpid() != owner) return; /* a forked child's exit */
  if (server > 0) {
    kill(server, SIGKILL);
    while (waitpid(server, NULL, 0) < 0 && errno == EINTR) continue;
  }
  remove_folder();
}

/* FLASHSALE_TEST_REDIS names a folder that holds the server of Redis or of Valkey; unset: the system's Redis. */
static void find_program(void) {
  const char* const chosen = getenv("FLASHSALE_TEST_REDIS");
  if (chosen == NULL || *chosen == 0) return;
  snprintf(program, sizeof(program), "%s/redis-server", chosen);
  if (access(program, X_OK) == 0) return;
  snprintf(program, sizeof(program), "%s/valkey-server", chosen);
  if (access(program, X_OK) != 0) give_up("FLASHSALE_TEST_REDIS names a folder without redis-server and valkey-server");
}

static void become_server(void) {
  char socket_path[128];
  char log_path[128];
  snprintf(socket_path, sizeof(socket_path), "%s/redis.sock", folder);
  snprintf(log_path, sizeof(log_path), "%s/redis.log", folder);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* no crash of the test leaves it behind */
  execlp(program, program, "--port", "0", "--unixsocket", socket_path, "--dir", folder, "--logfile",
         log_path, "--save", "", "--appendonly", "no", (char*)NULL);
  _exit(127);
}

/* Sends one line, and reads the beginning of the reply; 0 if there is none. */
static int ask(const char* line, char* reply, size_t capacity) {
  const size_t size = strlen(line);
  struct sockaddr_un address;
  ssize_t got = 0;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, private_redis_path("redis.sock"), sizeof(address.sun_path) - 1);
  if (fd >= 0 && connect(fd, (const struct sockaddr*)&address, sizeof(address)) == 0 &&
      write(fd, line, size) == (ssize_t)size)
    got = read(fd, reply, capacity - 1);
  if (fd >= 0) close(fd);
  reply[got > 0 ? got : 0] = 0;
  return got > 0;
}

static int answers_ping(void) {
  char reply[8];
  return ask("PING\r\n", reply, sizeof(reply)) && strcmp(reply, "+PONG\r\n") == 0;
}

void private_redis_command(const char* line) {
  char reply[256];
  if (ask(line, reply, sizeof(reply)) && reply[0] != '-') return;
  fprintf(stderr, "private redis: %s: %s\n", line, reply);
  exit(1);
}

void private_redis_start(void) {
  const struct timespec pause = {0, 5000000};
  int tries = 0;
  find_program();
  strcpy(folder, "/tmp/flashsale-capi-XXXXXX");
  if (mkdtemp(folder) == NULL) give_up("no folder");
  owner = getpid();
  atexit(end);
  server = fork();
  if (server < 0) give_up("no process");
  if (server == 0) become_server();
  while (!answers_ping()) {
    if (++tries > 2000 || waitpid(server, NULL, WNOHANG) != 0) give_up("it does not answer (is it installed?)");
    nanosleep(&pause, NULL);
  }
  snprintf(url, sizeof(url), "redis+unix://%s/redis.sock", folder);
}

/* 0 and -1 are more than one process. */
static void send_signal(int number) {
  if (server > 0) kill(server, number);
}

void private_redis_freeze(void) { send_signal(SIGSTOP); }
void private_redis_thaw(void) { send_signal(SIGCONT); }
