// Copying out of a mapping that may fault: a file cut short or a bad sector raises SIGBUS.
#pragma once

#include <cstddef>

namespace holdfast {

// Once for the process, from any thread. 0 or a negative errno.
int InstallFaultHandler();

// False if a byte could not be read; what was copied before is left in `to`.
bool GuardedCopy(char* to, const char* from, size_t length);

}  // namespace holdfast
