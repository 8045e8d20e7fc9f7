#include "test/emulator/Tokens.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "test/emulator/Fault.h"

namespace mirl::emulator {

namespace {

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

[[noreturn]] void Fail(int line, const std::string &what) {
  throw Fault{kInvalidPtx, "PTX line " + std::to_string(line) + ": " + what};
}

uint64_t Number(std::string_view digits, int base, int line) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size())
    Fail(line, "'" + std::string(digits) + "' is no number of 64 bits");
  return value;
}

Token ReadNumber(std::string_view word, int line) {
  Token token{Token::Kind::kInteger, word, 0, line};
  if (word.size() > 2 && word[0] == '0' && (word[1] == 'f' || word[1] == 'F')) {
    token.kind = Token::Kind::kFloat32;
    token.bits = Number(word.substr(2), 16, line);
  } else if (word.size() > 2 && word[0] == '0' && (word[1] == 'd' || word[1] == 'D')) {
    token.kind = Token::Kind::kFloat64;
    token.bits = Number(word.substr(2), 16, line);
  } else {
    if (word.back() == 'U')
      word.remove_suffix(1);
    bool hex = word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
    token.bits = hex ? Number(word.substr(2), 16, line) : Number(word, 10, line);
  }
  return token;
}

} // namespace

std::vector<Token> Tokenize(std::string_view text) {
  std::vector<Token> tokens;
  int line = 1;
  size_t at = 0;
  auto next = [&](size_t ahead) { return at + ahead < text.size() ? text[at + ahead] : '\0'; };
  while (at < text.size() && text[at]) {
    char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (c == '/' && next(1) == '/') {
      at = std::min(text.find('\n', at), text.size());
    } else if (c == '/' && next(1) == '*') {
      size_t end = text.find("*/", at + 2);
      if (end == text.npos)
        Fail(line, "a comment has no end");
      for (; at < end + 2; ++at)
        line += text[at] == '\n';
    } else if (c == '"') {
      size_t end = text.find('"', at + 1);
      if (end == text.npos)
        Fail(line, "a string has no end");
      tokens.push_back({Token::Kind::kString, text.substr(at + 1, end - at - 1), 0, line});
      at = end + 1;
    } else if (IsWord(c)) {
      size_t begin = at;
      // "::" belongs to an opcode, ":" ends a label.
      while (at < text.size() && (IsWord(text[at]) || (text[at] == ':' && next(1) == ':')))
        at += text[at] == ':' ? 2 : 1;
      std::string_view word = text.substr(begin, at - begin);
      // A version (8.6) is a word.
      bool number = std::isdigit(static_cast<unsigned char>(c)) && word.find('.') == word.npos;
      tokens.push_back(number ? ReadNumber(word, line) : Token{Token::Kind::kWord, word, 0, line});
    } else if (std::string_view("{}[]()<>,;:@!+-|=").find(c) != std::string_view::npos) {
      tokens.push_back({Token::Kind::kSign, text.substr(at, 1), 0, line});
      ++at;
    } else {
      Fail(line, std::string("the character '") + c + "' does not belong in PTX");
    }
  }
  tokens.push_back({Token::Kind::kEnd, {}, 0, line});
  return tokens;
}

} // namespace mirl::emulator
