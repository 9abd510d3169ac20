// The one translation unit with the compiled parts of Asio, its TLS layer and Beast (BOOST_*_SEPARATE_COMPILATION), and
// of Boost.URL.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
#include <boost/url/src.hpp>
