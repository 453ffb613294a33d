// The guide to writing a strategy shows code as it is in the tree.
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::string readText(const std::string &path) {
  std::ifstream file(PLEXUS_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The lines without what comes before their first word, so that excerpts may be indented
/// otherwise.
std::string unindented(const std::string &text) {
  std::istringstream lines(text);
  std::string line, result;
  while (std::getline(lines, line)) {
    const size_t word = line.find_first_not_of(' ');
    result += (word == std::string::npos ? "" : line.substr(word)) + "\n";
  }
  return result;
}

TEST(StrategyGuide, ShowsTheCodeThatIsBuiltAndTested) {
  const std::string guide = readText("docs/writing-a-strategy.md");
  std::string code;
  for (const char *path :
       {"plugins/strategies/PromptLookup.cpp", "examples/strategy-plugin/BestOf.cpp",
        "examples/strategy-plugin/CMakeLists.txt"})
    code += unindented(readText(path));
  int blocks = 0;
  for (size_t begin = 0; (begin = guide.find("```c", begin)) != std::string::npos;) {
    const size_t text = guide.find('\n', begin) + 1, end = guide.find("\n```", text) + 1;
    const std::string block = unindented(guide.substr(text, end - text));
    begin = end + 4;
    if (block.rfind("plexus::Task<> generate", 0) == 0)
      continue; // greedy, which is checked against its own file below
    ++blocks;
    EXPECT_NE(code.find(block), std::string::npos) << block;
  }
  EXPECT_EQ(blocks, 4);
  const std::string greedy = readText("plugins/strategies/Greedy.cpp");
  const size_t body = greedy.find("  auto row");
  EXPECT_NE(guide.find(greedy.substr(body, greedy.find("\n}\n", body) - body)), std::string::npos);
}

} // namespace
