// Enough of CUDA C++ for kernels to run on the CPU: one thread at a time, blocks in turn.
//
// A thread runs until it must wait for others (__syncthreads, shuffles). Only then does
// it keep its stack and another one starts: kernels without barriers are plain loops, and
// those with barriers need no operating system threads. As threads run alone, atomics are
// plain reads and writes. From barrier to barrier the order of threads is turned round,
// so a barrier that is missing gives wrong numbers, the same ones every time.

#undef _FORTIFY_SOURCE // its longjmp takes another stack for an error
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>
#include <ucontext.h>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __shared__ static // blocks run one after the other
#define __launch_bounds__(...)

struct dim3 { unsigned x, y, z; };
static dim3 threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

// ---------------------------------------------------------------- threads that wait

namespace shim {

enum State { READY, AT_BLOCK, AT_WARP, DONE };
enum { MOST = 1024, STACK = 1 << 16 };
struct Stack { jmp_buf place; char *memory; };

static Stack stacks[MOST];
static jmp_buf scheduler;
static State state[MOST];
static int stack_of[MOST]; // which stack a waiting thread keeps
static int running, stack, started, total;
static bool upwards;
static void (*body)(void **);
static void **arguments;

static void place(int thread) {
  running = thread;
  threadIdx.x = thread % blockDim.x;
  threadIdx.y = thread / blockDim.x % blockDim.y;
  threadIdx.z = thread / blockDim.x / blockDim.y;
}

static void work() { // thread after thread, as long as none has to wait
  while (started < total) {
    int thread = upwards ? started : total - 1 - started;
    started++;
    place(thread);
    body(arguments);
    state[running] = DONE;
  }
}

static __attribute__((noinline)) void leave() { // for the scheduler; until entered again
  int mine = stack;
  if (!_setjmp(stacks[mine].place)) _longjmp(scheduler, 1);
}

static void wait(State what) {
  state[running] = what;
  stack_of[running] = stack;
  leave();
}

static void serve() {
  for (;;) work(), leave();
}

static __attribute__((noinline)) void enter(int index) {
  Stack &to = stacks[stack = index];
  if (_setjmp(scheduler)) return;
  if (to.memory) _longjmp(to.place, 1);
  ucontext_t fresh; // swapcontext would do for all of it, with a system call each time
  getcontext(&fresh);
  fresh.uc_stack.ss_sp = to.memory = (char *)malloc(STACK);
  fresh.uc_stack.ss_size = STACK;
  fresh.uc_link = nullptr;
  makecontext(&fresh, serve, 0);
  setcontext(&fresh);
}

static bool release(State where, int from, int to) { // if all that live have arrived
  int here = 0, live = 0;
  for (int t = from; t < to; t++) here += state[t] == where, live += state[t] != DONE;
  if (!here || here < live) return false;
  for (int t = from; t < to; t++) if (state[t] == where) state[t] = READY;
  return true;
}

static bool run_block() { // false: threads wait for each other for ever
  for (int t = 0; t < total; t++) state[t] = READY;
  started = 0;
  for (int next = 0; started < total; next++) enter(next);
  for (;;) {
    bool any = release(AT_BLOCK, 0, total);
    for (int t = 0; t < total; t += warpSize)
      any |= release(AT_WARP, t, t + warpSize < total ? t + warpSize : total);
    if (!any) break;
    upwards = !upwards;
    for (int i = 0; i < total; i++) {
      int t = upwards ? i : total - 1 - i;
      if (state[t] == READY) { place(t); enter(stack_of[t]); }
    }
  }
  bool done = true;
  for (int t = 0; t < total; t++) done &= state[t] == DONE;
  for (int i = 0; !done && i < MOST; i++) free(stacks[i].memory), stacks[i].memory = nullptr;
  return done;
}

static bool run(const unsigned *grid, const unsigned *block, void (*f)(void **), void **p) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  total = block[0] * block[1] * block[2];
  body = f, arguments = p;
  for (unsigned z = 0; z < grid[2]; z++)
    for (unsigned y = 0; y < grid[1]; y++)
      for (unsigned x = 0; x < grid[0]; x++) {
        blockIdx = {x, y, z};
        upwards = (x + y + z) % 2 == 0;
        if (!run_block()) return false;
      }
  return true;
}

// A launch unpacks its arguments by the parameter types, which the compiler knows.
template <class T> static char *describe(char *to) { // '*f4' is a pointer to floats
  using V = std::remove_cv_t<std::remove_pointer_t<T>>;
  *to++ = std::is_pointer_v<T> ? '*' : ' ';
  *to++ = std::is_same_v<V, bool>         ? 'b'
          : std::is_floating_point_v<V>   ? 'f'
          : !std::is_integral_v<V>        ? 'V'
          : std::is_unsigned_v<V>         ? 'u'
                                          : 'i';
  *to++ = '0' + sizeof(V) % 10;
  return to;
}

namespace { // kernels of two texts may have one name: each library has its own
template <auto F> struct Kernel;
template <class... P, void (*F)(P...)> struct Kernel<F> {
  template <size_t... I> static void unpack(void **p, std::index_sequence<I...>) {
    F(*(P *)p[I]...);
  }
  static void call(void **p) { unpack(p, std::index_sequence_for<P...>()); }
  static const char *signature() {
    static char text[3 * sizeof...(P) + 1], *end = text;
    if (end == text) ((end = describe<P>(end)), ...);
    return text;
  }
};
} // namespace

// ------------------------------------------------- values from the other lanes of a warp

static uint64_t slots[MOST];

template <class T> static T from_row(T value, int lane, int length) {
  int thread = running, first = thread / length * length;
  memcpy(&slots[thread], &value, sizeof value);
  wait(AT_WARP);
  if (lane >= 0 && lane < length && first + lane < total)
    memcpy(&value, &slots[first + lane], sizeof value);
  wait(AT_WARP);
  return value;
}

static int lane(int length) { return running % length; }

} // namespace shim

// ------------------------------------------------------------------- CUDA's functions

static void __syncthreads() { shim::wait(shim::AT_BLOCK); }
static void __syncwarp(unsigned = ~0u) { shim::wait(shim::AT_WARP); }
static void __threadfence() {}
static void __threadfence_block() {}

#define PLAIN template <class T> static inline T
#define SAME(T) std::common_type_t<T> // not deduced: converted, as CUDA's overloads do

// Every lane takes part, in rows of `n` lanes; from outside its row it gets its own value.
PLAIN __shfl_sync(unsigned, T a, int lane, int n = 32) { return shim::from_row(a, lane & (n - 1), n); }
PLAIN __shfl_down_sync(unsigned, T a, int d, int n = 32) { return shim::from_row(a, shim::lane(n) + d, n); }
PLAIN __shfl_up_sync(unsigned, T a, int d, int n = 32) { return shim::from_row(a, shim::lane(n) - d, n); }
PLAIN __shfl_xor_sync(unsigned, T a, int m, int n = 32) { return shim::from_row(a, shim::lane(n) ^ m, n); }

PLAIN shim_swap(T *p, T b) { T a = *p; *p = b; return a; }
PLAIN atomicAdd(T *p, SAME(T) b) { return shim_swap(p, T(*p + b)); }
PLAIN atomicSub(T *p, SAME(T) b) { return shim_swap(p, T(*p - b)); }
PLAIN atomicMin(T *p, SAME(T) b) { return shim_swap(p, b < *p ? b : *p); }
PLAIN atomicMax(T *p, SAME(T) b) { return shim_swap(p, b > *p ? b : *p); }
PLAIN atomicAnd(T *p, SAME(T) b) { return shim_swap(p, T(*p & b)); }
PLAIN atomicOr(T *p, SAME(T) b) { return shim_swap(p, T(*p | b)); }
PLAIN atomicExch(T *p, SAME(T) b) { return shim_swap(p, b); }
PLAIN atomicCAS(T *p, SAME(T) a, SAME(T) b) { return shim_swap(p, *p == a ? b : *p); }

PLAIN __ldg(const T *p) { return *p; }
template <class A, class B> static inline auto min(A a, B b) { return b < a ? b : a; }
template <class A, class B> static inline auto max(A a, B b) { return a < b ? b : a; }

static inline float rsqrtf(float a) { return 1 / sqrtf(a); }
static inline double rsqrt(double a) { return 1 / sqrt(a); }
#define __expf expf // glibc has names like these
#define __logf logf
#define __sinf sinf
#define __cosf cosf
#define __powf powf
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float a) { return 1 / a; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline uint32_t __umulhi(uint32_t a, uint32_t b) { return (uint64_t)a * b >> 32; }
static inline unsigned long long __umul64hi(uint64_t a, uint64_t b) {
  return (unsigned __int128)a * b >> 64;
}

template <class To, class From> static inline To shim_bits(From a) {
  To b;
  static_assert(sizeof a == sizeof b);
  memcpy(&b, &a, sizeof b);
  return b;
}
static inline int __float_as_int(float a) { return shim_bits<int>(a); }
static inline unsigned __float_as_uint(float a) { return shim_bits<unsigned>(a); }
static inline float __int_as_float(int a) { return shim_bits<float>(a); }
static inline float __uint_as_float(unsigned a) { return shim_bits<float>(a); }
static inline long long __double_as_longlong(double a) { return shim_bits<long long>(a); }
static inline double __longlong_as_double(long long a) { return shim_bits<double>(a); }

#define VECTORS(T, name)                                                               \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                   \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; };   \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                    \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
VECTORS(float, float)
VECTORS(double, double)
VECTORS(int, int)
VECTORS(unsigned, uint)
VECTORS(long long, longlong)
