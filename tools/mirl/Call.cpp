#include "tools/mirl/Commands.h"
namespace mirl::tools { void AddCallCommand(CLI::App &, int &) {} }
