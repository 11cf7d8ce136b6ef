// libsrtp 2: the oracle of the SRTP tests. The product does not link it.
#pragma once
#include <srtp2/srtp.h>
