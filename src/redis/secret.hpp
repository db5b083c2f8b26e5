/// A password, or where it is kept: read anew for each connection, so that a rotated one is used without a restart.
#pragma once

#include <string>

#include "flashsale/error.hpp"

namespace flashsale::redis {

struct Secret {
  std::string text;         ///< the password itself
  std::string file;         ///< a file whose first line it is
  std::string environment;  ///< the name of a variable that holds it

  bool is_empty() const { return text.empty() && file.empty() && environment.empty(); }

  /// The password as it is now. Does file I/O if it is kept in a file.
  /// Errors: refused (the file or variable cannot be read, or holds nothing); the detail names it, never its content.
  Result<std::string> read() const;
};

}  // namespace flashsale::redis
