// Steady-state decoding takes nothing from the heap: counted by standing in for malloc.
#include "SequenceModels.h"
#include "SessionFixture.h"

#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/Stream.h"

#include <atomic>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PLEXUS_TEST_SANITIZED 1
#endif
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};
} // namespace

#ifndef PLEXUS_TEST_SANITIZED
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  allocations += counting;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations += counting;
  return __libc_calloc(count, size);
}
void *realloc(void *block, size_t size) {
  allocations += counting;
  return __libc_realloc(block, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  allocations += counting;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **block, size_t alignment, size_t size) {
  allocations += counting;
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : 12;
}
}
#endif

namespace plexus::test {
namespace {

class AllocationTest : public ::testing::Test {
protected:
  void SetUp() override {
#ifdef PLEXUS_TEST_SANITIZED
    GTEST_SKIP() << "sanitizers bring their own malloc";
#endif
  }
  static void decode(const FakeOptions &options);
  static void draft(const FakeOptions &options);
  template <typename Fn>
  static int64_t countIn(Fn fn) {
    allocations = 0;
    counting = true;
    fn();
    counting = false;
    return allocations;
  }
};

TEST_F(AllocationTest, TheHookSeesAllocations) {
  static std::unique_ptr<std::vector<int>> kept; // A local one is optimised away.
  EXPECT_GT(countIn([] { kept = std::make_unique<std::vector<int>>(10); }), 0);
}

TEST_F(AllocationTest, DecodingManySequencesMakesNoneAfterTheFirstSteps) {
  for (Recurrent recurrent : {Recurrent::None, Recurrent::Odd})
    decode(
        {.context = 1000, .window = recurrent == Recurrent::None ? 20 : 0, .recurrent = recurrent});
}

void AllocationTest::decode(const FakeOptions &options) {
  auto session = makeSession(options, {.chunk = 64});
  constexpr int kSequences = 3;
  std::vector<ForwardRequest> requests(kSequences);
  std::vector<ForwardOutcome> outcomes(kSequences);
  std::vector<int32_t> next(kSequences, 1);
  Want wants[2];
  wants[1].reduce = Reduce::TopK;
  wants[1].k = 4;
  for (int i = 0; i < kSequences; ++i) {
    requests[i].sequence = *session->openSequence();
    append(*session, requests[i].sequence, someIds(30 + 5 * i, 50 + i));
    requests[i].ids = {&next[i], 1};
    requests[i].wants = wants;
  }
  auto step = [&] {
    session->forward(requests, outcomes);
    for (int i = 0; i < kSequences; ++i)
      next[i] = outcomes[i].result[1].ids[0];
  };
  for (int i = 0; i < 3; ++i)
    step();
  // Crosses many pages and the powers of two of the context.
  EXPECT_EQ(countIn([&] {
              for (int i = 0; i < 600; ++i)
                step();
            }),
            0);
  ASSERT_TRUE(outcomes[0].status) << outcomes[0].status.message();
}

TEST_F(AllocationTest, DraftingAndCommittingTreesMakesNoneAfterTheFirstSteps) {
  for (Recurrent recurrent : {Recurrent::None, Recurrent::Odd})
    draft({.context = 1000, .recurrent = recurrent});
}

void AllocationTest::draft(const FakeOptions &options) {
  auto session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  append(*session, sequence, someIds(20, 1));
  const int32_t ids[] = {1, 2, 3, 4, 5}, parents[] = {-1, -1, 1, 1, 3}, path[] = {1, 3, 4};
  Want want = wantLogits(RowSet::All);
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.parents = parents;
  request.mode = RowMode::Draft;
  request.wants = {&want, 1};
  ForwardOutcome outcome;
  auto step = [&] {
    session->forward({&request, 1}, {&outcome, 1});
    (void)session->commit(sequence, path);
  };
  for (int i = 0; i < 3; ++i)
    step();
  EXPECT_EQ(countIn([&] {
              for (int i = 0; i < 200; ++i)
                step();
            }),
            0);
  EXPECT_EQ(*session->length(sequence), 20 + 203 * 3);
}

TEST_F(AllocationTest, PreparedRunsMakeNoneAfterTheFirst) {
  for (auto &[model, shape] : {std::pair(accumulator(), std::vector<int64_t>{2, 30, kWidth}),
                               std::pair(windows(false), std::vector<int64_t>{1, 2, 4}),
                               std::pair(windows(true), std::vector<int64_t>{3, 2, 50})}) {
    auto session = *Session::create(model);
    std::vector<NamedTensor> inputs = {{"x", *Tensor::zeros(DType::F32, shape)}};
    auto prepared = session->prepare(inputs);
    ASSERT_TRUE(prepared) << prepared.status().message();
    Status status = (*prepared)->run();
    ASSERT_TRUE(status) << status.message();
    (void)(*prepared)->run();
    EXPECT_EQ(countIn([&] {
                for (int i = 0; i < 100; ++i)
                  status = (*prepared)->run();
              }),
              0)
        << model->info().name;
    ASSERT_TRUE(status) << status.message();
  }
}

TEST_F(AllocationTest, PreparedPushesMakeNoneAfterTheFirstOnes) {
  auto session = *Session::create(accumulator());
  auto stream = *session->openStream({});
  std::vector<NamedTensor> inputs = {{"x", *Tensor::zeros(DType::F32, {2, 1, kWidth})}};
  auto prepared = stream->prepare(inputs);
  ASSERT_TRUE(prepared) << prepared.status().message();
  Status status = (*prepared)->run();
  (void)(*prepared)->run();
  EXPECT_EQ(countIn([&] {
              for (int i = 0; i < 1000; ++i)
                status = (*prepared)->run();
            }),
            0);
  ASSERT_TRUE(status) << status.message();
}

} // namespace
} // namespace plexus::test
