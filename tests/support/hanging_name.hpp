/// A host name whose look-up hangs, as with a name server that swallows packets.
#pragma once

namespace flashsale::test {

/// While it lives, getaddrinfo of `kHost` does not return, for half a minute at most; then it fails. It stands in the
/// place of libc's for the whole program, libpq's calls among them. One at a time.
class HangingName {
 public:
  static constexpr char kHost[] = "name-service-that-hangs.invalid";

  HangingName();
  ~HangingName();
  HangingName(const HangingName&) = delete;
  HangingName& operator=(const HangingName&) = delete;

  /// How many look-ups of it began since construction.
  int look_ups() const;
};

}  // namespace flashsale::test
