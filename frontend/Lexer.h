// Text to tokens. Keywords are identifiers here: the parser knows where they mean something.

#ifndef MIRL_FRONTEND_LEXER_H
#define MIRL_FRONTEND_LEXER_H

#include <vector>

#include "frontend/Source.h"

namespace mirl::frontend {

enum class Tok : uint8_t {
  End, Newline, // a line's end, or `;`, where a statement may end
  Ident, Int, Float, String,
  LParen, RParen, LBrace, RBrace, LBracket, RBracket,
  Comma, Colon, Dot, DotDot, Arrow, Assign,
  Plus, Minus, Star, Slash, Caret,
  Eq, Ne, Lt, Le, Gt, Ge,
};

struct Token {
  Tok kind = Tok::End;
  bool lineStart = false; // the first token of a line, at column 1
  unsigned begin = 0;
  unsigned end = 0;
  unsigned payload = 0; // index into Tokens::integers, floats or strings
};

struct Tokens {
  unsigned file = 0;
  std::vector<Token> tokens; // ends with Tok::End
  std::vector<int64_t> integers;
  std::vector<double> floats;
  std::deque<std::string> strings; // escapes resolved
};

// The word for a token in a message: "`(`", "a name".
llvm::StringRef describe(Tok kind);

// Whether a word at the beginning of a line starts a declaration.
bool startsDeclaration(llvm::StringRef word);

// Errors go to `diagnostics`; the tokens go on after them.
Tokens lex(const Sources &sources, unsigned file, Diagnostics &diagnostics);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_LEXER_H
