#include "tools/mirl/Commands.h"
namespace mirl::tools { void AddInspectCommand(CLI::App &, int &) {} }
