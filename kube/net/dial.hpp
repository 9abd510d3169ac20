#pragma once

// Private to this folder: from a name and a port to a connected TCP socket.

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <stop_token>
#include <string>

namespace kube {

/// Looks `host` (a name or an IP address without brackets) up and connects, to one address after the other. Look-up and
/// connect are bounded by 30 s together (net.Dialer of client-go's transport); a stop ends both at once with
/// `ErrorKind::cancelled`.
/// However the socket is closed, by the end of the process too, the connection is reset (SO_LINGER of 0 s): what the
/// peer has not been sent yet is dropped. A close that leaves the kernel to deliver the rest could have a write take
/// effect long after it was given up, when somebody else leads.
boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> dial(boost::asio::any_io_executor executor, Clock& clock,
                                                                  std::string host, unsigned short port,
                                                                  std::stop_token stop);

}  // namespace kube
