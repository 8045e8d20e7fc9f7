#include "test/emulator/Decode.h"
namespace mirl::emulator { void AddCopies(DecodeTable &) {} }
