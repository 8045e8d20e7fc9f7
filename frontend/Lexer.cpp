#include "frontend/Lexer.h"

#include <cmath>
#include <cstdlib>

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/ConvertUTF.h"

namespace mirl::frontend {

llvm::StringRef describe(Tok kind) {
  switch (kind) {
  case Tok::End: return "the end of the file";
  case Tok::Newline: return "the end of the line";
  case Tok::Ident: return "a name";
  case Tok::Int: return "a whole number";
  case Tok::Float: return "a number";
  case Tok::String: return "a string";
  case Tok::LParen: return "`(`";
  case Tok::RParen: return "`)`";
  case Tok::LBrace: return "`{`";
  case Tok::RBrace: return "`}`";
  case Tok::LBracket: return "`[`";
  case Tok::RBracket: return "`]`";
  case Tok::Comma: return "`,`";
  case Tok::Colon: return "`:`";
  case Tok::Dot: return "`.`";
  case Tok::DotDot: return "`..`";
  case Tok::Arrow: return "`->`";
  case Tok::Assign: return "`=`";
  case Tok::Plus: return "`+`";
  case Tok::Minus: return "`-`";
  case Tok::Star: return "`*`";
  case Tok::Slash: return "`/`";
  case Tok::Caret: return "`^`";
  case Tok::Eq: return "`==`";
  case Tok::Ne: return "`!=`";
  case Tok::Lt: return "`<`";
  case Tok::Le: return "`<=`";
  case Tok::Gt: return "`>`";
  case Tok::Ge: return "`>=`";
  }
  return "a token";
}

bool startsDeclaration(llvm::StringRef word) {
  return llvm::StringSwitch<bool>(word)
      .Cases({"use", "const", "param", "data", "capacity", "policy"}, true)
      .Cases({"optimizer", "step", "func", "entry", "model", "iteration"}, true)
      .Default(false);
}

namespace {

bool isIdentStart(char c) { return llvm::isAlpha(c) || c == '_'; }
bool isIdentBody(char c) { return llvm::isAlnum(c) || c == '_'; }

class Lexer {
public:
  Lexer(const Sources &sources, unsigned file, Diagnostics &diagnostics)
      : text(sources.text(file)), diagnostics(diagnostics) {
    result.file = file;
  }

  Tokens run() {
    while (pos < text.size() && !diagnostics.full())
      next();
    add(Tok::Newline, text.size(), text.size());
    add(Tok::End, text.size(), text.size());
    return std::move(result);
  }

private:
  Span span(size_t begin, size_t end) const {
    return {result.file, static_cast<unsigned>(begin), static_cast<unsigned>(end)};
  }
  char peek(size_t ahead = 0) const { return pos + ahead < text.size() ? text[pos + ahead] : '\0'; }

  void add(Tok kind, size_t begin, size_t end, size_t payload = 0) {
    Token token;
    token.kind = kind;
    token.begin = begin;
    token.end = end;
    token.payload = payload;
    token.lineStart = begin == 0 || (begin <= text.size() && text[begin - 1] == '\n');
    result.tokens.push_back(token);
  }

  // A line goes on after an operator, a comma or an open bracket, and inside ( ) and [ ].
  bool lineGoesOn() const {
    if (!brackets.empty() && brackets.back() != '{')
      return true;
    if (result.tokens.empty())
      return true;
    switch (result.tokens.back().kind) {
    case Tok::Newline: case Tok::LParen: case Tok::LBracket: case Tok::LBrace: case Tok::Comma:
    case Tok::Arrow: case Tok::Assign: case Tok::Plus: case Tok::Minus: case Tok::Star:
    case Tok::Slash: case Tok::Caret: case Tok::Eq: case Tok::Ne: case Tok::Lt: case Tok::Le:
    case Tok::Gt: case Tok::Ge: case Tok::DotDot: case Tok::Colon: case Tok::Dot:
      return true;
    default:
      return false;
    }
  }

  void next() {
    char c = text[pos];
    if (c == '\n') {
      if (!lineGoesOn())
        add(Tok::Newline, pos, pos + 1);
      ++pos;
      return;
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      ++pos;
      return;
    }
    if (c == '#')
      return comment();
    if (isIdentStart(c))
      return word();
    if (llvm::isDigit(c) || (c == '.' && llvm::isDigit(peek(1))))
      return number();
    if (c == '"')
      return string();
    if (!punctuation())
      unexpected();
  }

  void comment() {
    size_t begin = pos;
    while (pos < text.size() && text[pos] != '\n')
      ++pos;
    checkText(begin, pos);
  }

  // Comments and strings are UTF-8 without control bytes.
  bool checkText(size_t begin, size_t end) {
    for (size_t i = begin; i < end;) {
      unsigned char c = text[i];
      if (c < 0x80) {
        if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7F)
          return badByte(i), false;
        ++i;
        continue;
      }
      unsigned length = llvm::getNumBytesForUTF8(c);
      auto *bytes = reinterpret_cast<const llvm::UTF8 *>(text.data()) + i;
      if (i + length > end || !llvm::isLegalUTF8Sequence(bytes, bytes + length))
        return badByte(i), false;
      i += length;
    }
    return true;
  }

  void badByte(size_t at) {
    diagnostics.error(span(at, at + 1), "a source file is UTF-8 text without control bytes; found the byte 0x" +
                                            llvm::utohexstr(static_cast<unsigned char>(text[at]), false, 2));
  }

  void word() {
    size_t begin = pos;
    while (isIdentBody(peek()))
      ++pos;
    bool atLineStart = begin == 0 || text[begin - 1] == '\n';
    // A declaration at the beginning of a line ends whatever bracket was left open: the parser
    // says which.
    if (atLineStart && !brackets.empty() && startsDeclaration(text.slice(begin, pos)) &&
        (brackets.back() != '{')) {
      brackets.clear();
      add(Tok::Newline, begin, begin);
    }
    add(Tok::Ident, begin, pos);
  }

  void number() {
    size_t begin = pos;
    bool isFloat = false;
    while (llvm::isDigit(peek()))
      ++pos;
    if (peek() == '.' && peek(1) != '.') {
      isFloat = true;
      ++pos;
      while (llvm::isDigit(peek()))
        ++pos;
    }
    bool bad = false;
    if ((peek() | 32) == 'e') {
      isFloat = true;
      ++pos;
      if (peek() == '+' || peek() == '-')
        ++pos;
      bad = !llvm::isDigit(peek());
      while (llvm::isDigit(peek()))
        ++pos;
    }
    while (isIdentBody(peek()) || (peek() == '.' && llvm::isDigit(peek(1)))) {
      bad = true;
      ++pos;
    }
    llvm::StringRef digits = text.slice(begin, pos);
    if (bad) {
      diagnostics.error(span(begin, pos), "this is not a number: write 12, 0.5 or 1e-6");
    } else if (!isFloat) {
      int64_t value = 0;
      if (digits.getAsInteger(10, value))
        diagnostics.error(span(begin, pos), "a whole number is at most 9223372036854775807");
      result.integers.push_back(value);
      return add(Tok::Int, begin, pos, result.integers.size() - 1);
    }
    double value = bad ? 0 : std::strtod(digits.str().c_str(), nullptr);
    if (!std::isfinite(value)) {
      diagnostics.error(span(begin, pos), "this number is too large for a double");
      value = 0;
    }
    result.floats.push_back(value);
    add(Tok::Float, begin, pos, result.floats.size() - 1);
  }

  void string() {
    size_t begin = pos++;
    std::string value;
    bool good = true;
    while (true) {
      if (pos >= text.size() || text[pos] == '\n') {
        diagnostics.error(span(begin, pos), "this string has no closing `\"` on its line");
        break;
      }
      char c = text[pos];
      if (c == '"') {
        if (good)
          checkText(begin, pos);
        ++pos;
        break;
      }
      if (c != '\\') {
        value += c;
        ++pos;
        continue;
      }
      char escape = peek(1);
      switch (escape) {
      case 'n': value += '\n'; break;
      case 't': value += '\t'; break;
      case 'r': value += '\r'; break;
      case '"': value += '"'; break;
      case '\\': value += '\\'; break;
      default:
        good = false;
        diagnostics.error(span(pos, std::min(pos + 2, text.size())),
                          "an escape is \\n, \\t, \\r, \\\" or \\\\ (a backslash of a regular expression is written \\\\)");
      }
      pos += escape == '\n' || escape == '\0' ? 1 : 2;
    }
    result.strings.push_back(std::move(value));
    add(Tok::String, begin, pos, result.strings.size() - 1);
  }

  bool punctuation() {
    struct Entry {
      llvm::StringLiteral text;
      Tok kind;
    };
    static constexpr Entry entries[] = {
        {"->", Tok::Arrow}, {"..", Tok::DotDot}, {"==", Tok::Eq},     {"!=", Tok::Ne},
        {"<=", Tok::Le},    {">=", Tok::Ge},     {"<", Tok::Lt},      {">", Tok::Gt},
        {"=", Tok::Assign}, {"+", Tok::Plus},    {"-", Tok::Minus},   {"*", Tok::Star},
        {"/", Tok::Slash},  {"^", Tok::Caret},   {",", Tok::Comma},   {":", Tok::Colon},
        {".", Tok::Dot},    {"(", Tok::LParen},  {")", Tok::RParen},  {"{", Tok::LBrace},
        {"}", Tok::RBrace}, {"[", Tok::LBracket}, {"]", Tok::RBracket}, {";", Tok::Newline},
    };
    for (const Entry &entry : entries) {
      if (!text.substr(pos).starts_with(entry.text))
        continue;
      char c = entry.text[0];
      if (entry.text.size() == 1 && (c == '(' || c == '[' || c == '{'))
        brackets.push_back(c);
      else if ((c == ')' || c == ']' || c == '}') && !brackets.empty())
        closeBracket(c);
      add(entry.kind, pos, pos + entry.text.size());
      pos += entry.text.size();
      return true;
    }
    return false;
  }

  void closeBracket(char close) {
    char open = close == ')' ? '(' : close == ']' ? '[' : '{';
    // A `}` closes what was left open inside it.
    if (close == '}')
      while (!brackets.empty() && brackets.back() != '{')
        brackets.pop_back();
    if (!brackets.empty() && brackets.back() == open)
      brackets.pop_back();
  }

  void unexpected() {
    unsigned char c = text[pos];
    size_t begin = pos;
    if (c >= 0x80 || c < 0x20 || c == 0x7F) {
      // One error for a run of such bytes.
      bool legal = checkText(begin, begin + std::min<size_t>(c >= 0x80 ? llvm::getNumBytesForUTF8(c) : 1,
                                                             text.size() - begin));
      while (pos < text.size() && (static_cast<unsigned char>(text[pos]) >= 0x80 ||
                                   (static_cast<unsigned char>(text[pos]) < 0x20 && !llvm::isSpace(text[pos])) ||
                                   text[pos] == 0x7F))
        ++pos;
      if (pos == begin)
        ++pos;
      if (legal)
        diagnostics.error(span(begin, pos), "only strings and comments may hold characters beyond ASCII");
      return;
    }
    ++pos;
    diagnostics.error(span(begin, pos), llvm::Twine("unexpected character `") + llvm::Twine(static_cast<char>(c)) + "`" +
                                            (c == '\'' ? ": strings are written in double quotes" : ""));
  }

  llvm::StringRef text;
  Diagnostics &diagnostics;
  Tokens result;
  size_t pos = 0;
  std::vector<char> brackets;
};

} // namespace

Tokens lex(const Sources &sources, unsigned file, Diagnostics &diagnostics) {
  return Lexer(sources, file, diagnostics).run();
}

} // namespace mirl::frontend
