#include "core/scripts.hpp"

#include <cstdlib>

namespace flashsale::core {

const Script& script(std::string_view name) {
  for (const Script& row : embedded_scripts())
    if (row.name == name) return row;
  std::abort();  // a name misspelt in our own source; every caller is covered by a test
}

}  // namespace flashsale::core
