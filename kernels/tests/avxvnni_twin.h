// The AVX-VNNI kernels for processors with AVX-512 VNNI instead; x86-64 only.
#pragma once

#include "targets/kernels.h"

namespace edgefront::testing {

const Kernels& AvxVnniTwin();

}  // namespace edgefront::testing
