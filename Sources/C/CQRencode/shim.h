// libqrencode 4.1: QR codes.
#pragma once
#include <qrencode.h>
