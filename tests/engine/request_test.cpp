#include "engine/request.hpp"

#include <doctest/doctest.h>

#include <array>

namespace flashsale::engine {
namespace {

Deadline at(int ms) { return Deadline{} + milliseconds{ms}; }

struct Requests {
  Requests() {
    for (std::size_t i = 0; i < all.size(); ++i) all[i].tag = i;
  }
  Request* due(std::size_t i, int ms) {
    all[i].deadline = at(ms);
    return &all[i];
  }
  std::array<Request, 8> all;
};

std::string tags(const RequestList& list) {
  std::string text;
  for (const Request* one = list.first(); one != nullptr; one = one->next) text += std::to_string(one->tag);
  return text;
}

TEST_CASE("a list gives out what is due, however it came in, and keeps the others in their order") {
  Requests requests;
  RequestList list, more, due;
  list.push_back(requests.due(0, 30));
  list.push_back(requests.due(1, 10));
  list.push_front(requests.due(2, 5));
  more.push_back(requests.due(3, 50));
  more.push_front(requests.due(4, 1));
  list.append(more);
  CHECK(tags(list) == "20143");

  list.extract_due(at(0), due);
  CHECK(due.empty());
  list.extract_due(at(1), due);  // came by append
  CHECK(tags(due) == "4");
  list.extract_due(at(5), due);  // by push_front
  CHECK(tags(due) == "42");
  list.extract_due(at(9), due);
  CHECK(tags(due) == "42");
  list.extract_due(at(10), due);  // by push_back
  CHECK(tags(due) == "421");
  CHECK(tags(list) == "03");
  CHECK(list.size() == 2);

  // What leaves by another way, and what comes after a walk.
  CHECK(list.pop_front()->tag == 0);
  list.push_back(requests.due(5, 20));
  list.extract_due(at(30), due);
  CHECK(tags(due) == "4215");
  list.extract_due(at(60), due);
  CHECK(tags(due) == "42153");
  CHECK(list.empty());

  more.push_back(requests.due(6, 70));
  more.extract_due(at(70), due);  // a list that was appended elsewhere begins anew
  CHECK(tags(due) == "421536");
}

}  // namespace
}  // namespace flashsale::engine
