/* Log lines: none before they are asked for, kept and handed out in order, and a queue that is woken for them. */
#include <string.h>

#include "check.h"

static flashsale_error_t* error;

/* A worker that cannot reach its server says so. */
static void cause_a_line(void) {
  flashsale_pool_t* pool = NULL;
  flashsale_sink_t* sink = NULL;
  flashsale_options_t* options = NULL;
  flashsale_worker_t* worker = NULL;
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  CHECK_DONE(flashsale_options_set(options, FLASHSALE_TEXT("worker.sales"), FLASHSALE_TEXT("spring"), &error));
  CHECK_DONE(flashsale_pool_create(FLASHSALE_TEXT("redis+unix://:secret@/nonexistent/r.sock"), NULL, &pool, &error));
  CHECK_DONE(flashsale_sink_create(FLASHSALE_TEXT("sqlite:/nonexistent/orders.db"), &sink, &error));
  CHECK_DONE(flashsale_worker_create(pool, sink, options, &worker, &error));
  CHECK(flashsale_worker_drain(worker, 50, NULL) < 0);
  flashsale_worker_destroy(&worker);
  flashsale_sink_destroy(&sink);
  flashsale_pool_destroy(&pool);
  flashsale_options_destroy(&options);
}

int main(void) {
  flashsale_completions_t* completions = NULL;
  flashsale_event_t event;
  char line[FLASHSALE_LINE_CAPACITY];
  size_t size = 1, count = 0;
  cause_a_line();
  CHECK_IS(flashsale_log_next(line, sizeof(line), &size, &error), 0);
  CHECK(size == 0 && line[0] == '\0');
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  CHECK_DONE(flashsale_log_enable(completions, &error));
  cause_a_line();
  CHECK_DONE(flashsale_completions_drain(completions, &event, sizeof(event), 1, 60000, &count, &error));
  CHECK_IS(count, 0); /* woken, not answered */
  CHECK_IS(flashsale_log_next(line, sizeof(line), &size, &error), FLASHSALE_LOG_WARNING);
  CHECK(size == strlen(line) && strstr(line, "spring") != NULL && strstr(line, "secret") == NULL);
  while (flashsale_log_next(line, sizeof(line), &size, &error) > 0) continue;
  flashsale_completions_destroy(&completions); /* no longer woken, still kept */
  cause_a_line();
  CHECK(flashsale_log_next(line, 5, &size, &error) > 0);
  CHECK(strlen(line) == 4 && size > 4);
  cause_a_line();
  CHECK_DONE(flashsale_log_disable(&error));
  CHECK_IS(flashsale_log_next(line, sizeof(line), &size, &error), 0);
  return 0;
}
