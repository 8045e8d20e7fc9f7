#include "runtime/text/Tokenizer.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

using Json = nlohmann::json;

namespace {

constexpr int64_t kLargestVocabulary = int64_t{1} << 24;

// Bytes of the UTF-8 character at `at`; 0 when there is none.
size_t CharacterBytes(std::string_view text, size_t at) {
  auto byte = static_cast<unsigned char>(text[at]);
  size_t bytes = byte < 0x80       ? 1
                 : byte >> 5 == 6  ? 2
                 : byte >> 4 == 14 ? 3
                 : byte >> 3 == 30 ? 4
                                   : 0;
  if (bytes == 0 || at + bytes > text.size())
    return 0;
  for (size_t i = 1; i < bytes; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80)
      return 0;
  return bytes;
}

std::string_view Text(const Json &object, const char *key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string()
             ? std::string_view(it->get_ref<const std::string &>())
             : std::string_view();
}

bool Absent(const Json &object, const char *key) {
  auto it = object.find(key);
  return it == object.end() || it->is_null();
}

std::string TypeOf(const Json &value) {
  return value.is_object() ? std::string(Text(value, "type")) : value.dump();
}

// A pattern that matches any single character, as tokenizers of characters spell it.
bool IsAnyCharacter(std::string_view pattern) {
  return pattern == "." || pattern == "(?s:.)" || pattern == "(?s)." || pattern == "[\\s\\S]" ||
         pattern == "[\\S\\s]";
}

} // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string &path) {
  std::string text;
  MIRL_TRY(ReadFile(path, text, kMaxJsonFile));
  return Parse(text, path);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(std::string_view json,
                                                            std::string_view name) {
  Json root = ParseJson(json);
  auto bad = [&](const auto &...what) { return Invalid(name, ": ", what...); };
  if (root.is_discarded() || !root.is_object())
    return bad("is not a tokenizer: it is not a JSON object");
  std::unique_ptr<Tokenizer> result(new Tokenizer);

  // What would change the encoding and is not supported.
  for (const char *key : {"normalizer", "post_processor", "truncation"}) {
    if (!Absent(root, key))
      return bad("uses the ", key, " '", TypeOf(root[key]),
                 "'; supported are character- and word-level tokenizers without one");
  }

  auto model = root.find("model");
  if (model == root.end() || !model->is_object())
    return bad("is not a tokenizer: it has no 'model'");
  std::string_view type = Text(*model, "type");
  if (type == "BPE") {
    if (auto merges = model->find("merges"); merges != model->end() && !merges->empty())
      return bad("has a BPE model with ", merges->size(),
                 " merges; supported are WordLevel, and BPE without merges");
    if (auto fallback = model->find("byte_fallback"); fallback != model->end() && *fallback == true)
      return bad("has a BPE model with byte_fallback, which is not supported");
    for (const char *key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!Text(*model, key).empty())
        return bad("has a BPE model with a ", key, ", which is not supported");
    result->characters_ = true;
  } else if (type != "WordLevel") {
    return bad("has a model of type '", type, "'; supported are WordLevel, and BPE without merges");
  }

  auto add = [&](const std::string &token, const Json &id, bool special) -> absl::Status {
    int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (value < 0 || value >= kLargestVocabulary)
      return bad("the id of token '", token, "' is ", id.dump(), "; it must be a number from 0");
    auto index = static_cast<size_t>(value);
    if (index >= result->texts_.size()) {
      result->texts_.resize(index + 1);
      result->present_.resize(index + 1);
      result->special_.resize(index + 1);
    }
    if (result->present_[index] && result->texts_[index] != token)
      return bad("tokens '", result->texts_[index], "' and '", token, "' have the same id ", value);
    auto [at, is_new] = result->ids_.emplace(token, static_cast<int32_t>(value));
    if (!is_new && at->second != value)
      return bad("token '", token, "' has the ids ", at->second, " and ", value);
    result->texts_[index] = token;
    result->present_[index] = true;
    if (special)
      result->special_[index] = true;
    return absl::OkStatus();
  };

  auto vocabulary = model->find("vocab");
  if (vocabulary == model->end() || !vocabulary->is_object() || vocabulary->empty())
    return bad("has no vocabulary: 'model.vocab' must be an object of tokens and ids");
  for (const auto &[token, id] : vocabulary->items())
    MIRL_TRY(add(token, id, false));
  if (auto added = root.find("added_tokens"); added != root.end() && added->is_array()) {
    for (const Json &token : *added) {
      std::string content(token.is_object() ? Text(token, "content") : std::string_view());
      if (content.empty() || Absent(token, "id"))
        return bad("an added token must have a 'content' and an 'id', found ", token.dump());
      for (const char *key : {"single_word", "lstrip", "rstrip"})
        if (auto flag = token.find(key); flag != token.end() && *flag == true)
          return bad("added token '", content, "' uses ", key, ", which is not supported");
      auto special = token.find("special");
      MIRL_TRY(add(content, token["id"], special != token.end() && *special == true));
      result->added_.push_back({content, result->Find(content)});
    }
  }
  std::sort(
      result->added_.begin(), result->added_.end(), [](const AddedToken &a, const AddedToken &b) {
        return a.text.size() != b.text.size() ? a.text.size() > b.text.size() : a.text < b.text;
      });
  if (std::string_view unk = Text(*model, "unk_token"); !unk.empty())
    result->unk_ = result->Find(unk); // -1 when it is not in the vocabulary: then there is none.

  std::vector<const Json *> pending;
  if (!Absent(root, "pre_tokenizer"))
    pending.push_back(&root["pre_tokenizer"]);
  for (size_t i = 0; i < pending.size(); ++i) {
    const Json &step = *pending[i];
    std::string kind = TypeOf(step);
    if (kind == "Sequence" && step.contains("pretokenizers") && step["pretokenizers"].is_array()) {
      for (const Json &inner : step["pretokenizers"])
        pending.push_back(&inner);
      continue;
    }
    Split split;
    std::string pattern;
    if (kind == "Whitespace" || kind == "WhitespaceSplit") {
      pattern = kind == "Whitespace" ? "\\w+|[^\\w\\s]+" : "\\S+";
      split.keep_rest = false;
      result->join_spaces_ = true;
    } else if (kind == "Split") {
      std::string_view behavior = Text(step, "behavior");
      auto invert = step.find("invert");
      if ((behavior != "Isolated" && behavior != "Removed") ||
          (invert != step.end() && *invert == true))
        return bad("splits with the behavior '", behavior, "'",
                   invert != step.end() && *invert == true ? " inverted" : "",
                   "; supported are Isolated and Removed");
      split.keep_matches = behavior == "Isolated";
      const Json what = step.contains("pattern") ? step["pattern"] : Json();
      if (std::string_view regex = what.is_object() ? Text(what, "Regex") : ""; !regex.empty()) {
        pattern = regex;
      } else if (what.is_object() && what.contains("String")) {
        // The empty string splits between all characters.
        std::string_view literal = Text(what, "String");
        pattern = literal.empty() ? "(?s:.)" : Cat("\\Q", literal, "\\E");
        if (literal.find("\\E") != literal.npos)
          return bad("splits at a string with '\\E', which is not supported");
      } else {
        return bad("splits by ", what.dump(), "; it must be a 'Regex' or a 'String'");
      }
    } else {
      return bad("uses the pre_tokenizer '", kind,
                 "'; supported are Split, Whitespace, WhitespaceSplit and sequences of these");
    }
    if (!IsAnyCharacter(pattern) || !split.keep_matches) {
      auto compiled = Regex::Compile(pattern);
      if (!compiled.ok())
        return bad(compiled.status().message());
      split.pattern = std::make_unique<Regex>(*std::move(compiled));
    }
    result->splits_.push_back(std::move(split));
  }

  if (!Absent(root, "decoder")) {
    if (std::string decoder = TypeOf(root["decoder"]); decoder != "Fuse")
      return bad("uses the decoder '", decoder, "'; supported are Fuse and none");
    result->join_spaces_ = false;
  }
  return result;
}

int32_t Tokenizer::Find(std::string_view token) const {
  auto it = ids_.find(std::string(token));
  return it == ids_.end() ? -1 : it->second;
}

absl::Status Tokenizer::Encode(std::string_view text, std::vector<int32_t> &ids,
                               bool allow_unknown) const {
  size_t begin = 0;
  for (size_t at = 0; at < text.size() && !added_.empty();) {
    const AddedToken *found = nullptr;
    for (const AddedToken &token : added_) {
      if (text.compare(at, token.text.size(), token.text) == 0) {
        found = &token;
        break;
      }
    }
    if (!found) {
      ++at;
      continue;
    }
    MIRL_TRY(EncodePart(text, begin, at, ids, allow_unknown));
    ids.push_back(found->id);
    begin = at = at + found->text.size();
  }
  return EncodePart(text, begin, text.size(), ids, allow_unknown);
}

absl::Status Tokenizer::EncodePart(std::string_view whole, size_t begin, size_t end,
                                   std::vector<int32_t> &ids, bool allow_unknown) const {
  if (begin == end)
    return absl::OkStatus();
  std::vector<std::pair<size_t, size_t>> words = {{begin, end}}, next;
  bool single = false; // the last split was into characters
  for (const Split &split : splits_) {
    next.clear();
    single = !split.pattern;
    for (auto [from, to] : words) {
      if (!split.pattern) {
        for (size_t at = from; at < to;) {
          size_t bytes = CharacterBytes(whole.substr(0, to), at);
          if (bytes == 0)
            return Invalid("byte ", at + 1, " is not UTF-8");
          next.emplace_back(at, at + bytes);
          at += bytes;
        }
        continue;
      }
      size_t at = from;
      std::string_view part = whole.substr(from, to - from);
      for (size_t search = 0; search < part.size();) {
        MIRL_ASSIGN(auto match, split.pattern->Find(part, search));
        if (!match)
          break;
        if (match->begin == match->end) { // Nothing to isolate.
          size_t bytes = CharacterBytes(part, match->end < part.size() ? match->end : search);
          search = match->end + std::max<size_t>(1, bytes);
          continue;
        }
        if (split.keep_rest && from + match->begin > at)
          next.emplace_back(at, from + match->begin);
        if (split.keep_matches)
          next.emplace_back(from + match->begin, from + match->end);
        search = match->end;
        at = from + search;
      }
      if (split.keep_rest && at < to)
        next.emplace_back(at, to);
    }
    words.swap(next);
  }
  for (auto [from, to] : words) {
    if (!characters_ || single) {
      MIRL_TRY(EncodeWord(whole, from, to, ids, allow_unknown));
      continue;
    }
    for (size_t at = from; at < to;) {
      size_t bytes = CharacterBytes(whole.substr(0, to), at);
      if (bytes == 0)
        return Invalid("byte ", at + 1, " is not UTF-8");
      MIRL_TRY(EncodeWord(whole, at, at + bytes, ids, allow_unknown));
      at += bytes;
    }
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::EncodeWord(std::string_view whole, size_t begin, size_t end,
                                   std::vector<int32_t> &ids, bool allow_unknown) const {
  auto it = ids_.find(std::string(whole.substr(begin, end - begin)));
  if (it == ids_.end())
    return Unknown(whole, begin, end, ids, allow_unknown);
  ids.push_back(it->second);
  return absl::OkStatus();
}

absl::Status Tokenizer::Unknown(std::string_view whole, size_t begin, size_t end,
                                std::vector<int32_t> &ids, bool allow_unknown) const {
  if (allow_unknown && unk_ >= 0) {
    ids.push_back(unk_);
    return absl::OkStatus();
  }
  int64_t position = 1;
  for (size_t i = 0; i < begin; ++i)
    position += (static_cast<unsigned char>(whole[i]) & 0xC0) != 0x80;
  return Invalid("'", whole.substr(begin, std::min<size_t>(end - begin, 64)), "' at character ",
                 position, " is not in the tokenizer's vocabulary");
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  bool first = true;
  for (int32_t id : ids) {
    bool known = id >= 0 && static_cast<size_t>(id) < texts_.size() && present_[id];
    if (known && skip_special && special_[id])
      continue;
    if (join_spaces_ && !first)
      text += ' ';
    first = false;
    text += known ? std::string_view(texts_[id]) : std::string_view("\xEF\xBF\xBD");
  }
  return text;
}

} // namespace mirl::rt
