// usrsctp 0.9.5. Its header needs stdint.h first, and INET/INET6 say how the Debian library was built.
#pragma once
#define INET 1
#define INET6 1
#include <stdint.h>
#include <usrsctp.h>
