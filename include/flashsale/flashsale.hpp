/// All of the C++ API.
#pragma once

#include "flashsale/completion_queue.hpp"
#include "flashsale/connection.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/log.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/options.hpp"
#include "flashsale/order_queue.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/sale_controller.hpp"
#include "flashsale/stock_gate.hpp"
#include "flashsale/types.hpp"
#include "flashsale/version.hpp"
