// libjpeg-turbo's own interface: whole pictures in memory, no longjmp.
#pragma once
#include <turbojpeg.h>
