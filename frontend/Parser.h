// Tokens to the syntax tree, by recursive descent. The grammar is in docs/language.md.

#ifndef MIRL_FRONTEND_PARSER_H
#define MIRL_FRONTEND_PARSER_H

#include "frontend/Ast.h"

namespace mirl::frontend {

// After an error the parser goes on with the next statement or declaration. Trees whose height would
// overflow a recursive walk are refused.
std::unique_ptr<Tree> parse(const Sources &sources, unsigned file, Diagnostics &diagnostics);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_PARSER_H
