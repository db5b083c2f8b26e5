// In place of tls.cpp where FLASHSALE_TLS is off.
#include "redis/tls.hpp"

namespace flashsale::redis {

bool has_tls() { return false; }

std::unique_ptr<Tls> make_tls(const TlsTerms&) { return nullptr; }

}  // namespace flashsale::redis
