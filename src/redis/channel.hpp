/// A socket, with TLS over it where that is asked for. What is above does not see the difference.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "redis/socket.hpp"

namespace flashsale::redis {

/// What lies between the bytes of a conversation and those on the wire.
class Cipher {
 public:
  virtual ~Cipher() = default;
  /// As Socket's. What `send` counts has been encrypted, and may reach Redis whatever happens.
  virtual Moved send(Socket& socket, const char* bytes, std::size_t size) = 0;
  virtual Moved receive(Socket& socket, char* bytes, std::size_t size) = 0;
  virtual bool has_unsent() const = 0;  ///< encrypted, not yet handed to the kernel
  virtual bool has_unread() const = 0;  ///< received, so that poll does not tell of it
  /// What was wrong with the last `send` or `receive`; empty: the errno says it all.
  virtual std::string complaint() const = 0;
};

/// One thread at a time.
class Channel {
 public:
  Channel(Socket socket) : socket_(std::move(socket)) {}  // NOLINT: every socket is a channel
  Channel(Socket socket, std::unique_ptr<Cipher> cipher) : socket_(std::move(socket)), cipher_(std::move(cipher)) {}

  Moved send(const char* bytes, std::size_t size) {
    return cipher_ ? cipher_->send(socket_, bytes, size) : socket_.send(bytes, size);
  }
  Moved receive(char* bytes, std::size_t size) {
    return cipher_ ? cipher_->receive(socket_, bytes, size) : socket_.receive(bytes, size);
  }
  bool has_unsent() const { return cipher_ && cipher_->has_unsent(); }
  bool has_unread() const { return cipher_ && cipher_->has_unread(); }
  std::string complaint() const { return cipher_ ? cipher_->complaint() : std::string(); }

  short wait(short events, Deadline deadline) const { return socket_.wait(events, deadline); }
  bool is_open() const { return socket_.is_open(); }
  bool is_quiet() const { return !has_unread() && socket_.is_quiet(); }
  void close() { socket_.close(); }

 private:
  Socket socket_;
  std::unique_ptr<Cipher> cipher_;
};

}  // namespace flashsale::redis
