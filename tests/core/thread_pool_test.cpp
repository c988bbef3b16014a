#include "core/thread_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

using mlx_vision::core::ThreadPool;

TEST_CASE("a loop calls every index once, with any number of threads") {
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> calls(std::size_t(round % 37), 0);
      pool.run(int(calls.size()), [&](int i) { ++calls[std::size_t(i)]; });
      CHECK(std::accumulate(calls.begin(), calls.end(), 0) == round % 37);
      CHECK(std::all_of(calls.begin(), calls.end(), [](int n) { return n == 1; }));
    }
  }
}

TEST_CASE("loops inside loops and from several threads are all done") {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  const auto nested = [&](int) { pool.run(10, [&](int i) { sum += i; }); };
  std::thread other([&] { pool.run(20, nested); });
  pool.run(20, nested);
  other.join();
  CHECK(sum == 40 * 45);
}

TEST_CASE("what the work throws reaches the caller, and the pool goes on") {
  ThreadPool pool(4);
  for (int round = 0; round < 50; ++round) {
    CHECK_THROWS_AS(pool.run(100,
                             [](int i) {
                               if (i == 17) throw std::runtime_error("17");
                             }),
                    std::runtime_error);
    std::atomic<int> calls{0};
    pool.run(100, [&](int) { ++calls; });
    CHECK(calls == 100);
  }
}

TEST_CASE("the number of threads can be changed, and 0 means the cores") {
  ThreadPool pool(2);
  pool.resize(5);
  CHECK(pool.threads() == 5);
  pool.resize(0);
  CHECK(pool.threads() == mlx_vision::core::physical_cores());
}
