#include "engine/blas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

namespace mlx_vision::engine {
namespace {

// MLX's library and this one see the same global symbols, so that the first cblas_sgemm among them is the one
// that MLX calls.
Dl_info library_in_use() {
  Dl_info where{};
  void* sgemm = dlsym(RTLD_DEFAULT, "cblas_sgemm");
  if (!sgemm || !dladdr(sgemm, &where)) return {};
  return where;
}

// Looked up in the library in use only: another OpenBLAS may be loaded beside it.
template <class Function>
Function* find(const char* name) {
  void* function = dlsym(RTLD_DEFAULT, name);
  Dl_info from{};
  if (!function || !dladdr(function, &from) || from.dli_fbase != library_in_use().dli_fbase) return nullptr;
  return reinterpret_cast<Function*>(function);
}

std::string say(const char* name) {
  const auto function = find<char*()>(name);
  const char* text = function ? function() : nullptr;
  return text ? text : "";
}

// The best of what every OpenBLAS of the last years has; null where it is on its own.
const char* known_processor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

void choose() {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const char* const better = known_processor();
  if (!better || std::getenv(kVariable) || say("openblas_get_corename") != "Prescott") return;
  const auto forget = find<void()>("gotoblas_dynamic_quit"), begin = find<void()>("gotoblas_dynamic_init");
  if (!forget || !begin) return;
  setenv(kVariable, better, /*overwrite=*/0);
  forget();
  begin();
}

}  // namespace

Blas describe_blas() {
  const Dl_info where = library_in_use();
  if (!where.dli_fname) return {};
  Blas out{.library = where.dli_fname, .kernel = say("openblas_get_config")};
  const std::string core = say("openblas_get_corename");
  if (!core.empty() && out.kernel.find(core) == std::string::npos)
    out.kernel.append(out.kernel.empty() ? "" : ", ").append(core);
  return out;
}

void choose_blas_kernel() {
  static std::once_flag once;
  std::call_once(once, choose);
}

void use_one_blas_thread() {
  if (const auto set = find<void(int)>("openblas_set_num_threads")) set(1);
}

}  // namespace mlx_vision::engine
