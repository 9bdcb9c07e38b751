/* The door from Python: looks at the arguments of a call, runs the program, makes Tensors.

   This needs no header. It calls functions of CPython and NumPy that keep their names and
   types from version to version, through pointers that entry.py fills in, and reads the
   fields of objects where they are: those of arrays as NumPy documents them, those of
   Tensors where entry.py found them. Nothing is remembered between calls that a freed,
   resized or written array could make wrong. */

typedef struct Object Object;

typedef struct { /* how NumPy keeps an array */
  char count[TYPE];
  void *type;
  char *data;
  int axes;
  intptr_t *shape, *strides;
  void *base, *dtype;
  int flags;
} Array;

const struct { /* entry.py lists the same words in the same order */
  void (*Py_IncRef)(Object *), (*Py_DecRef)(Object *);
  Object *(*PyType_GenericAlloc)(void *, intptr_t);
  Object *(*PyTuple_GetItem)(Object *, intptr_t);
  Object *(*PyList_New)(intptr_t);
  int (*PyList_SetItem)(Object *, intptr_t, Object *);
  Object *(*PyLong_FromLongLong)(long long);
  long long (*PyLong_AsLongLong)(Object *);
  Object *(*PyObject_CallNoArgs)(Object *);
  int (*PyContextVar_Get)(Object *, Object *, Object **);
  void *(*PyEval_SaveThread)(void);
  void (*PyEval_RestoreThread)(void *);
  int (*PyThread_acquire_lock)(void *, int);
  void (*PyThread_release_lock)(void *);
  Object *(*PyArray_Empty)(int, const intptr_t *, void *, int);
  Object *none, *mode;
  void *Array, *Tensor, *Cell;
  Object *tensor, *cell; /* what new ones begin as, without their arrays */
  intptr_t tensor_size, cell_size;
  intptr_t array_of_tensor, cell_of_tensor, array_of_cell, version_of_cell;
} *from_python;

#define py from_python
#define SLOT(x, at) (*(Object **)((char *)(x) + (at)))

static Object *nothing(void) {
  py->Py_IncRef(py->none);
  return py->none;
}

static Object *like(void *type, Object *pattern, intptr_t size) {
  Object *made = py->PyType_GenericAlloc(type, 0);
  for (intptr_t at = TYPE + sizeof type; made && at < size; at += sizeof made) {
    py->Py_IncRef(SLOT(pattern, at));
    SLOT(made, at) = SLOT(pattern, at);
  }
  return made;
}

/* A Tensor with a storage of its own, put into `list`; it takes `array` over. */
static int hand_out(Object *list, int i, void *array) {
  Object *cell = array ? like(py->Cell, py->cell, py->cell_size) : 0;
  Object *made = cell ? like(py->Tensor, py->tensor, py->tensor_size) : 0;
  if (!made) {
    py->Py_DecRef(array);
    py->Py_DecRef(cell);
    return 0;
  }
  SLOT(cell, py->array_of_cell) = SLOT(made, py->array_of_tensor) = array;
  SLOT(made, py->cell_of_tensor) = cell;
  py->Py_IncRef(array); /* both hold it */
  return !py->PyList_SetItem(list, i, made);
}

static void *empty(void *dtype, int axes, const intptr_t *shape) {
  py->Py_IncRef(dtype); /* NumPy takes one over */
  return py->PyArray_Empty(axes, shape, dtype, 0);
}

static void take(void *lock) { /* without holding Python up */
  if (py->PyThread_acquire_lock(lock, 0)) return;
  void *thread = py->PyEval_SaveThread();
  py->PyThread_acquire_lock(lock, 1);
  py->PyEval_RestoreThread(thread);
}

static int written_again(Object *cell) {
  Object *was = SLOT(cell, py->version_of_cell);
  Object *now = py->PyLong_FromLongLong(py->PyLong_AsLongLong(was) + 1);
  if (!now) return 0;
  SLOT(cell, py->version_of_cell) = now;
  py->Py_DecRef(was);
  return 1;
}

static Array *array_of(Object *given) {
  if (((Array *)given)->type == py->Tensor) given = SLOT(given, py->array_of_tensor);
  return given && ((Array *)given)->type == py->Array ? (Array *)given : 0;
}

/* What entry.py writes for each program. */
static int fits(void **p, Array **x);
static int make(void **p, Object *made, Array **y);
static void place(void **p, Array **x, Array **y);

/* The results, or None where the arguments do not fit as they are or the program refuses. */
static Object *run(Object *self, Object **given, intptr_t n) {
  void **p = (void **)((Array *)py->PyTuple_GetItem(self, 0))->data;
  Array *x[GIVEN + 1], *y[MADE + 1];
  if (n != GIVEN) return nothing();
  Object *made = py->PyList_New(MADE); /* while nothing is written yet: memory may be short */
  if (!made || !make(p, made, y)) {
    py->Py_DecRef(made);
    return 0;
  }
  take(p[LOCK]); /* its buffers belong to the program, not to the thread */
  for (int i = 0; i < GIVEN; i++) py->Py_IncRef((Object *)(x[i] = array_of(given[i])));
  int refused = !fits(p, x);
  if (!refused) {
    place(p, x, y);
    void *thread = py->PyEval_SaveThread();
    refused = program(p);
    py->PyEval_RestoreThread(thread);
  }
  Object *answer = made;
  if (refused) answer = p[SETTLE] ? py->PyObject_CallNoArgs(p[SETTLE]) : nothing();
  for (int i = 0; i < WRITTEN && !refused; i++)
    if (!written_again(p[CELLS + i])) answer = 0;
  py->PyThread_release_lock(p[LOCK]);
  for (int i = 0; i < GIVEN; i++) py->Py_DecRef((Object *)x[i]);
  if (answer != made) py->Py_DecRef(made);
  return answer;
}

/* The same, if no trace and no watch wants to know of it. */
static Object *call(Object *self, Object **given, intptr_t n) {
  Object *mode; /* (grad, trace, watch) */
  if (py->PyContextVar_Get(py->mode, 0, &mode)) return 0;
  int plain = py->PyTuple_GetItem(mode, 1) == py->none
           && py->PyTuple_GetItem(mode, 2) == py->none;
  py->Py_DecRef(mode);
  return plain ? run(self, given, n) : nothing();
}

enum { FASTCALL = 0x80 };
const struct {
  const char *name;
  Object *(*function)(Object *, Object **, intptr_t);
  int flags;
  const char *doc;
} methods[] = {{"call", call, FASTCALL}, {"run", run, FASTCALL}};
