#include "core/call_flow.hpp"

#include <string>

#include "core/error_reply.hpp"

namespace flashsale::core {

Step CallFlow::again(ErrorCode code, std::string_view text, std::optional<Heard> heard) {
  error_ = {code, effect_, std::string(in_words(text))};
  heard_ = heard;
  heard_text_ = text;
  return Step::pause;
}

// Each round pauses longer than the one before, so nodes that send a slot around cost the caller its deadline at most.
Step CallFlow::redirected(std::string_view text, std::optional<Heard> heard) {
  again(ErrorCode::disconnected, text, heard);
  if (++redirects_ > 5) error_.detail += ", say its nodes, " + std::to_string(redirects_) + " times in a row";
  return Step::pause;
}

// A second NOSCRIPT on one lease means that somebody flushes scripts right now: begin anew, a moment later. Nobody does
// so again and again; then SCRIPT LOAD and EVALSHA go to different servers.
Step CallFlow::forgotten(std::string_view text) {
  constexpr int kForgottenMax = 5;
  if (++forgotten_ < kForgottenMax) return again(ErrorCode::refused, text, std::nullopt);
  return give_up(
      ErrorCode::unsupported,
      "what answers there does not know the scripts that it was just given: it spreads commands over several "
      "servers. Name the servers themselves (redis+cluster://, redis+sentinel://), or a proxy that gives "
      "SCRIPT LOAD to all of them",
      Effect::none);
}

Step CallFlow::give_up(ErrorCode code, std::string_view text, Effect effect) {
  if (effect == Effect::unknown) effect_ = effect;
  error_ = {code, effect_, std::string(text)};
  return Step::fail;
}

Step CallFlow::leased() {
  loaded_ = false;
  heard_.reset();
  return Step::send;
}

Step CallFlow::not_leased(const Error& error) {
  if (error.code == ErrorCode::closed || error.code == ErrorCode::forked)
    return give_up(error.code, error.detail, Effect::none);
  return again(error.code, error.detail, std::nullopt);
}

Step CallFlow::replied(const Reply& reply) {
  if (reply.type != Reply::Type::error) return Step::answer;
  switch (sort_error_reply(reply.text)) {
    case ErrorReply::no_script:
      return loaded_ ? forgotten(reply.text) : Step::load;
    case ErrorReply::moved:
      return redirected(reply.text, Heard::moved);
    case ErrorReply::ask:
      return redirected(reply.text, asks_ == Asks::follow ? std::optional(Heard::ask) : std::nullopt);
    case ErrorReply::try_again:
      return redirected(reply.text, std::nullopt);
    case ErrorReply::not_primary:
      return again(ErrorCode::disconnected, reply.text, Heard::not_primary);
    case ErrorReply::busy:
      return again(ErrorCode::refused, reply.text, std::nullopt);
    case ErrorReply::full:
      writes_refused_ = true;
      return give_up(ErrorCode::refused, reply.text, Effect::none);
    case ErrorReply::denied:
      return give_up(ErrorCode::refused, explain_denial(reply.text), Effect::none);
    case ErrorReply::denied_in_script:
      return give_up(ErrorCode::refused, explain_denial(reply.text), Effect::unknown);
    case ErrorReply::unknown_command:
      return give_up(ErrorCode::unsupported, reply.text, Effect::none);
    case ErrorReply::in_script:
      return give_up(ErrorCode::internal, reply.text, Effect::unknown);
    case ErrorReply::other:
      break;
  }
  // Whoever said that, Redis or a proxy that lost it, may have said so after the script had run.
  return give_up(ErrorCode::protocol, reply.text, Effect::unknown);
}

Step CallFlow::loaded(const Reply& reply) {
  loaded_ = true;
  if (reply.type != Reply::Type::error) return Step::send;
  // Whoever may not load waits for whoever may: a worker or a reconcile loads every script before it reopens a sale.
  if (sort_error_reply(reply.text) == ErrorReply::denied)
    return again(ErrorCode::refused, "the script is not loaded there, and we may not load it; a worker does",
                 std::nullopt);
  // Whatever else it says, it is no more than that it will not have the script.
  if (sort_error_reply(reply.text) == ErrorReply::other)
    return give_up(ErrorCode::unsupported, "the script was not taken: " + reply.text, Effect::none);
  return replied(reply);
}

Step CallFlow::stopped(const Error& error) {
  if (error.code == ErrorCode::timed_out && error.effect == Effect::unknown) {
    effect_ = Effect::unknown;
    error_ = error;
    heard_ = Heard::broken;  // should it be given back now: replies are owed on it
    return Step::await;
  }
  if (error.effect == Effect::unknown) effect_ = Effect::unknown;
  return again(error.code, error.detail, Heard::broken);
}

Step CallFlow::expired() {
  error_.effect = effect_;
  if (error_.code != ErrorCode::refused) error_.code = ErrorCode::timed_out;
  return Step::fail;
}

}  // namespace flashsale::core
