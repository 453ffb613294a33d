// Code objects: only what the compiler could have linked is handed to the dynamic linker.
#include "runtime/artifact/CodeObject.h"
#include "runtime/artifact/ElfCheck.h"
#include "runtime/artifact/Isa.h"
#include "tests/unit/artifact/TestModel.h"

#include <cstring>
#include <elf.h>
#include <gmock/gmock.h>
#include <random>

using namespace plexus;
using namespace plexus::test;
using ::testing::HasSubstr;

namespace {

std::string errorOf(const std::string &image) {
  auto code = loadCodeObject(image, "x86-64-v3");
  return code ? "accepted" : code.status().message();
}

TEST(CodeObject, LoadsGeneratedCode) {
  auto code = loadCodeObject(codeObject("artifact_test_code"), "x86-64-v3");
  ASSERT_TRUE(code) << code.status().message();
  EXPECT_NE((*code)->lookup("plx_main"), nullptr);
  EXPECT_EQ((*code)->isa(), "x86-64-v3");
}

TEST(CodeObject, RefusesConstructors) {
  EXPECT_THAT(errorOf(codeObject("artifact_test_constructor")), HasSubstr("it has constructors"));
}

TEST(CodeObject, RefusesImportsByName) {
  EXPECT_THAT(errorOf(codeObject("artifact_test_import")), HasSubstr("it imports 'system'"));
}

TEST(CodeObject, RefusesOtherMachinesAndFormats) {
  EXPECT_THAT(errorOf(""), HasSubstr("not an ELF image"));
  EXPECT_THAT(errorOf("#!/bin/sh\n"), HasSubstr("not an ELF image"));
  std::string image = codeObject("artifact_test_code");
  image[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_AARCH64);
  EXPECT_THAT(errorOf(image), HasSubstr("not an ELF image of x86-64"));
}

TEST(CodeObject, CheckNeverReadsBeyondADamagedImage) {
  const std::string whole = codeObject("artifact_test_code");
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> image(whole.begin(), whole.end());
    for (int flips = 0; flips < 4; ++flips) // most of them where the structure is
      image[random() % std::min<size_t>(image.size(), 1200)] = static_cast<uint8_t>(random());
    image.resize(random() % 2 ? image.size() : random() % image.size());
    image.shrink_to_fit();
    (void)checkCodeObject(image.data(), image.size());
  }
}

TEST(Isa, HostRunsWhatTheMaskLeaves) {
  setenv("PLEXUS_ISA", "x86-64-v3,other", 1);
  for (std::string_view isa : hostIsas())
    EXPECT_EQ(isa, "x86-64-v3");
  setenv("PLEXUS_ISA", "", 1);
  EXPECT_TRUE(hostIsas().empty());
  unsetenv("PLEXUS_ISA");
  EXPECT_NE(findIsa("avx512"), nullptr);
  EXPECT_EQ(findIsa("x86"), nullptr);
}

} // namespace
