// The AVX-VNNI kernels, compiled for processors that have AVX-512 VNNI instead. x86-64 only.
#pragma once

#include "targets/kernels.h"

namespace edgefront::testing {

const Kernels& AvxVnniTwin();

}  // namespace edgefront::testing
