// The thread pool, the engine thread, and sessions of several threads on one model.
#include "SessionFixture.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/threads/ThreadPool.h"

#include <thread>

namespace plexus::test {
namespace {

TEST(ThreadPool, RangesCoverEverythingOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    for (int64_t n : {0, 1, 2, 5, 64, 1001})
      for (int64_t grain : {1, 4, 100}) {
        std::vector<int> seen(static_cast<size_t>(n));
        pool.parallelFor(
            [](void *ctx, int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i)
                ++static_cast<int *>(ctx)[i];
            },
            seen.data(), n, grain);
        EXPECT_EQ(seen, std::vector<int>(static_cast<size_t>(n), 1)) << n << " by " << grain;
      }
  }
}

TEST(ThreadPool, RangesAreNoSmallerThanTheGrain) {
  ThreadPool pool(4);
  std::atomic<int64_t> smallest{1 << 30};
  pool.parallelFor(
      [](void *ctx, int64_t begin, int64_t end) {
        auto &least = *static_cast<std::atomic<int64_t> *>(ctx);
        int64_t size = end - begin, seen = least.load();
        while (size < seen && !least.compare_exchange_weak(seen, size)) {
        }
      },
      &smallest, 100, 30);
  EXPECT_GE(smallest.load(), 30);
}

TEST(ThreadPool, UpToTheGrainItRunsOnTheCaller) {
  ThreadPool pool(4);
  std::thread::id ran;
  pool.parallelFor(
      [](void *ctx, int64_t, int64_t) {
        *static_cast<std::thread::id *>(ctx) = std::this_thread::get_id();
      },
      &ran, 8, 8);
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST(ThreadPool, ThreadCountCanBeSet) {
  ThreadPool pool(3);
  EXPECT_EQ(pool.threads(), 3);
  pool.setThreads(1);
  EXPECT_EQ(pool.threads(), 1);
  setenv("PLEXUS_NUM_THREADS", "5", 1);
  pool.setThreads(0);
  unsetenv("PLEXUS_NUM_THREADS");
  EXPECT_EQ(pool.threads(), 5);
}

TEST(EngineThread, TasksOfSeveralThreadsRunOneAfterTheOther) {
  EngineThread engine;
  int64_t counter = 0; // Not atomic: only the engine's thread touches it.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        engine.run([&] {
          EXPECT_TRUE(engine.onThread());
          engine.run([&] { ++counter; });
        });
    });
  for (std::thread &thread : threads)
    thread.join();
  engine.run([&] { EXPECT_EQ(counter, 2000); });
}

TEST(EngineThread, PostedTasksRunBeforeItStops) {
  int ran = 0;
  {
    EngineThread engine;
    for (int i = 0; i < 100; ++i)
      engine.post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(Sessions, FourThreadsOnOneModelGiveTheIdsOfEachAlone) {
  FakeOptions options{.window = 9};
  auto model = makeFakeModel(options);
  EngineThread engine;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::unique_ptr<Session> session;
      SequenceId sequence{};
      engine.run([&] {
        session = *Session::create(model);
        sequence = *session->openSequence();
      });
      auto ids = someIds(20 + t * 11, 40 + t), feed = ids;
      for (int step = 0; step < 8; ++step) {
        std::vector<float> logits;
        engine.run([&] { logits = append(*session, sequence, feed); });
        int32_t next = argmax(logits);
        EXPECT_EQ(next, argmax(recompute(options, chain(ids)).logits.back()));
        ids.push_back(next);
        feed = {next};
      }
      engine.run([&] { session.reset(); });
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Sessions, ResultsMayBeDroppedOnAnotherThread) {
  auto session = makeSession();
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(3, 1);
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.wants = {&want, 1};
  std::vector<std::thread> droppers;
  for (int i = 0; i < 20; ++i) {
    ResultRef result = forwardOne(*session, request).result;
    ASSERT_TRUE(result);
    droppers.emplace_back([held = std::move(result)]() mutable { held = ResultRef(); });
  }
  session.reset();
  for (std::thread &thread : droppers)
    thread.join();
}

} // namespace
} // namespace plexus::test
