/// A statement's parameters and rows in PostgreSQL's binary form: nothing is quoted, so nothing can be misquoted.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace flashsale::sinks::postgres {

/// PostgreSQL's numbers for the types that we send; they never change.
enum TypeId : Oid {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kText = 25,
  kByteaArray = 1001,
  kTextArray = 1009,
  kInt8Array = 1016
};

/// Bytes that are sent as they are, not as text.
struct Blob {
  std::string_view bytes;
};

/// One column of a set of rows, for unnest().
class Array {
 public:
  static Array of_int8(std::size_t count) { return {kInt8, kInt8Array, count}; }
  static Array of_text(std::size_t count) { return {kText, kTextArray, count}; }
  static Array of_bytea(std::size_t count) { return {kBytea, kByteaArray, count}; }

  /// Exactly `count` of one kind: numbers to int8, bytes to the others.
  void add(std::int64_t value);
  void add(std::string_view bytes);

  Oid type() const { return type_; }
  std::string& bytes() { return bytes_; }

 private:
  Array(Oid element, Oid type, std::size_t count);

  const Oid type_;
  std::string bytes_;
};

/// The parameters of one statement: integers as int8, strings as text, Blob, bool and Array as what they are.
/// Texts are not copied: they must live until the statement was sent.
class Values {
 public:
  template <class... Each>
  explicit Values(Each&&... values) {
    (add(std::forward<Each>(values)), ...);
  }

  int size() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }
  std::vector<const char*> pointers() const;

 private:
  void add(std::string_view text) { refer(kText, text); }
  void add(Blob blob) { refer(kBytea, blob.bytes); }
  void add(Array array);
  template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  void add(Integer value) {
    if constexpr (std::is_same_v<Integer, bool>) {
      add_flag(value);
    } else {
      add_integer(static_cast<std::int64_t>(value));
    }
  }
  void add_flag(bool value);
  void add_integer(std::int64_t value);
  void refer(Oid type, std::string_view bytes);
  void own(Oid type, std::string bytes);

  std::vector<Oid> types_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  std::vector<std::string_view> views_;
  std::vector<std::unique_ptr<std::string>> owned_;  // what some of the views are of
};

/// What a statement gave back.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int size() const { return PQntuples(result_.get()); }
  std::int64_t integer(int row, int column) const;
  std::uint64_t natural(int row, int column) const { return static_cast<std::uint64_t>(integer(row, column)); }
  std::uint32_t word(int row, int column) const { return static_cast<std::uint32_t>(integer(row, column)); }
  bool flag(int row, int column) const { return integer(row, column) != 0; }
  /// Text or bytea; lives as long as these rows.
  std::string_view bytes(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string text(int row, int column) const { return std::string(bytes(row, column)); }
  /// The command as the server names it: "COMMIT", "ROLLBACK".
  std::string_view tag() const { return PQcmdStatus(result_.get()); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace flashsale::sinks::postgres
