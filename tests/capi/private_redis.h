/* A server of a test's own, Redis or Valkey by FLASHSALE_TEST_REDIS, on a unix socket in a fresh folder; ended, and the
 * folder removed, at exit. */
#ifndef FLASHSALE_TESTS_CAPI_PRIVATE_REDIS_H
#define FLASHSALE_TESTS_CAPI_PRIVATE_REDIS_H

/* Starts it and waits until it answers; ends the program if it does not. Once a program. */
void private_redis_start(void);

/* redis+unix://... */
const char* private_redis_url(void);

/* `name` in the server's folder. The text is overwritten by the fifth call from now. */
const char* private_redis_path(const char* name);

/* Runs one command, in words between blanks and ended by \r\n; ends the program if Redis refuses it. */
void private_redis_command(const char* line);

/* Stops and continues the process: a server that hangs. */
void private_redis_freeze(void);
void private_redis_thaw(void);

#endif
