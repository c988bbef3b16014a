#include "kernels/cpu_array.h"

#include <stdexcept>
#include <string>

namespace mlx_vision::kernels {

float* temporary(std::size_t floats, mx::cpu::CommandEncoder& encoder) {
  mx::array space({int(floats)}, mx::float32, nullptr, {});
  space.set_data(mx::allocator::malloc(space.nbytes()));
  encoder.add_temporary(space);
  return space.data<float>();
}

mx::array with_contiguous_rows(const mx::array& x, mx::cpu::CommandEncoder& encoder) {
  if (x.strides(3) == 1 || x.shape(3) == 1) return x;
  mx::array copy(x.shape(), x.dtype(), nullptr, {});
  copy.set_data(mx::allocator::malloc(copy.nbytes()));
  encoder.add_temporary(copy);
  encoder.dispatch(
      [from = x.data<float>(), to = copy.data<float>(), shape = x.shape(), strides = x.strides()]() mutable {
        for (int b = 0; b < shape[0]; ++b)
          for (int h = 0; h < shape[1]; ++h)
            for (int i = 0; i < shape[2]; ++i)
              for (int j = 0; j < shape[3]; ++j)
                *to++ = from[b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]];
      });
  return copy;
}

void allocate_over(const mx::array& x, mx::array& out) {
  if (x.is_donatable() && x.data_size() == out.size())
    out.copy_shared_buffer(x);
  else
    out.set_data(mx::allocator::malloc(out.nbytes()));
}

void refuse_gpu(const char* kernel) {
  throw std::runtime_error(std::string(kernel).append(": this kernel is for the CPU"));
}

}  // namespace mlx_vision::kernels
