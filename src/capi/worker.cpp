// Carries orders into a sink.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/records.hpp"

using namespace flashsale::capi;

extern "C" {

int32_t flashsale_worker_create(flashsale_pool_t* pool, flashsale_sink_t* sink, const flashsale_options_t* options,
                                flashsale_worker_t** worker_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(worker_out, "worker_out");
    const Values& values = options == nullptr ? default_values() : need(options).values;
    flashsale::util::fork_generation();  // registers its fork handler here, not in a signal handler's worker_stop
    out = new flashsale_worker_t(need(pool).pool, need(sink).sink, values);
    return 0;
  });
}

int32_t flashsale_worker_run(flashsale_worker_t* worker, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    need(need_here(worker).worker.run());
    return 0;
  });
}

int32_t flashsale_worker_drain(flashsale_worker_t* worker, uint32_t timeout_ms, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& carrier = need_here(worker).worker;
    const auto timeout = span(timeout_ms, 3'600'000, "timeout_ms");
    need(carrier.drain(flashsale::Deadline::clock::now() + timeout));
    return 0;
  });
}

// No exception, no lock, no memory: it may run in a signal handler.
void flashsale_worker_stop(flashsale_worker_t* worker) {
  if (worker != nullptr && is_aligned(worker) && worker->is_valid() && !worker->is_foreign()) worker->worker.stop();
}

int32_t flashsale_worker_report(flashsale_worker_t* worker, flashsale_report_t* report_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    clear(report_out, "report_out");
    const flashsale::WorkerReport report = need_here(worker).worker.report();
    flashsale_report_t record = FLASHSALE_REPORT_INIT;
    record.orders = report.orders;
    record.commits = report.commits;
    record.dead = report.dead;
    record.reconciles = report.reconciles;
    record.behind = report.behind;
    copy_out(report.waiting_for, record.waiting_for);
    write(report_out, record);
    return 0;
  });
}

void flashsale_worker_destroy(flashsale_worker_t** worker) { destroy(worker); }
}
