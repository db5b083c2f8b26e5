/// Order ids as three columns for unnest().
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashsale/types.hpp"
#include "sinks/postgres/values.hpp"

namespace flashsale::sinks::postgres {

struct IdColumns {
  explicit IdColumns(std::size_t count)
      : epochs(Array::of_int8(count)), seqs(Array::of_int8(count)), indexes(Array::of_int8(count)) {}

  void add(OrderId id) {
    epochs.add(static_cast<std::int64_t>(id.at.epoch));
    seqs.add(static_cast<std::int64_t>(id.at.seq));
    indexes.add(static_cast<std::int64_t>(id.index));
  }

  Array epochs, seqs, indexes;
};

}  // namespace flashsale::sinks::postgres
