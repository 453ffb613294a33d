// Chat templates against what jinja2 makes of them, and templates that mean harm.
#include "runtime/text/ChatTemplate.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>

using namespace plexus;
using nlohmann::ordered_json;
using testing::HasSubstr;

namespace {
const std::string folder = PLEXUS_SOURCE_DIR "/tests/unit/text/chat_templates/";

std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

const ordered_json &expected() {
  static const ordered_json data = ordered_json::parse(readFile(folder + "expected.json"));
  return data;
}

/// The options that generate.py used, with `variables` on top.
ChatOptions options(const ordered_json &variables) {
  ChatOptions o;
  o.bosToken = "<s>";
  o.eosToken = "</s>";
  o.now = expected()["now"].get<int64_t>();
  o.variables = variables.dump();
  return o;
}

void check(const std::string &source, const ordered_json &messages, const ordered_json &variables,
           const ordered_json &c) {
  Expected<std::string> text = Status(Code::Internal, "not rendered");
  auto parsed = ChatTemplate::parse(source);
  if (parsed)
    text = parsed->renderJson(messages.dump(), options(variables));
  else
    text = parsed.status();
  if (c.contains("error"))
    EXPECT_FALSE(text.isOk()) << *text << "\nwhere jinja2 says " << c["error"] << "\n" << source;
  else if (!text)
    ADD_FAILURE() << text.status().message() << "\n" << source;
  else
    EXPECT_EQ(*text, c["text"].get<std::string>()) << source;
}

std::string renderError(const std::string &source) {
  auto text = renderChat(source, std::vector<ChatMessage>{{"user", "hi"}});
  return text ? "" : text.status().message();
}

class PublishedTemplate : public testing::TestWithParam<std::string> {};
std::vector<std::string> templateNames() {
  std::vector<std::string> names;
  for (auto it = expected()["templates"].begin(); it != expected()["templates"].end(); ++it)
    names.push_back(it.key());
  return names;
}
} // namespace

TEST_P(PublishedTemplate, RendersAsJinja2Does) {
  std::string source = readFile(folder + GetParam() + ".jinja");
  ASSERT_FALSE(source.empty());
  for (const ordered_json &c : expected()["templates"][GetParam()])
    check(source, c["messages"], c["variables"], c);
}
INSTANTIATE_TEST_SUITE_P(Templates, PublishedTemplate, testing::ValuesIn(templateNames()),
                         [](const auto &info) { return info.param; });

TEST(ChatTemplate, ExpressionsAndStatementsMeanWhatTheyMeanInJinja2) {
  const ordered_json &sample = expected()["templates"]["chatml"][12];
  ordered_json tools;
  for (const ordered_json &c : expected()["templates"]["chatml"])
    if (c["variables"].contains("tools"))
      tools = c["variables"];
  for (const ordered_json &c : expected()["expressions"])
    check(c["source"].get<std::string>(), sample["messages"], tools, c);
}

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_THAT(renderError("a\nb\n{{ nope.x }}"), HasSubstr("line 3: 'nope' is undefined"));
  EXPECT_THAT(renderError("a\n{% set x = %}"), HasSubstr("line 2"));
  EXPECT_THAT(renderError("\n\n{{ raise_exception('no ' ~ 'way') }}"),
              HasSubstr("line 3: the template refuses: no way"));
}

TEST(ChatTemplate, WhatIsNotDoneIsRefusedByName) {
  EXPECT_THAT(renderError("{% include 'x' %}"), HasSubstr("statement 'include'; known are"));
  EXPECT_THAT(renderError("{{ 'a'|urlize }}"), HasSubstr("filter 'urlize'; known are"));
  EXPECT_THAT(renderError("{{ 'a' is filter }}"), HasSubstr("test 'filter'; known are"));
  EXPECT_THAT(renderError("{{ '%s' % 1 }}"), HasSubstr("'%'"));
  EXPECT_THAT(renderError("{{ [1].append(2) }}"), HasSubstr(".append()"));
  EXPECT_THAT(renderError("{{ dict(*x) }}"), HasSubstr("* and **"));
}

TEST(ChatTemplate, InvalidUtf8IsReplaced) {
  auto text = renderChat("{{ messages[0].content }}", std::vector<ChatMessage>{{"user", "a\xFF"}});
  ASSERT_TRUE(text.isOk()) << text.status().message();
  EXPECT_EQ(*text, "a\xEF\xBF\xBD");
}

TEST(ChatTemplate, MessagesThatAreNotAListAreRefused) {
  auto parsed = ChatTemplate::parse("{{ messages }}");
  ASSERT_TRUE(parsed.isOk());
  for (const char *messages : {"", "{}", "[", "3", "\"x\""})
    EXPECT_FALSE(parsed->renderJson(messages).isOk()) << messages;
}

class HostileTemplate : public testing::TestWithParam<std::string> {};
TEST_P(HostileTemplate, EndsWithAnError) { EXPECT_NE(renderError(GetParam()), ""); }
INSTANTIATE_TEST_SUITE_P(
    Limits, HostileTemplate,
    testing::Values(
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x "
        "%}{% endfor %}",
        "{{ 'a' * 99999999999 }}", "{{ [0] * 99999999999 }}", "{{ range(99999999999) }}",
        "{{ 'a'.replace('', 'b' * 1000000).replace('b', 'c' * 1000000) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor "
        "%}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
        "{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}",
        "{{ " + std::string(100000, '-') + "1 }}", "{{ 9223372036854775807 + 1 }}",
        "{% set ns = namespace(l=[]) %}{% set big = 'x' * 10000000 %}{% for i in range(100000) "
        "%}{% set ns.l = ns.l + [big ~ i] %}{% endfor %}",
        [] {
          std::string s = "{{ 1";
          for (int i = 0; i < 100000; ++i)
            s += " if 1";
          return s + " }}";
        }(),
        "{{ 10 ** 100 }}", "{{ 99999999999999999999 }}",
        [] {
          std::string s;
          for (int i = 0; i < 5000; ++i)
            s += "{% if 1 %}";
          return s;
        }()));
