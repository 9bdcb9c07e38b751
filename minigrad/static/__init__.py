"""Define and run: a graph is noted down, rearranged as a whole, and run many times.

What happens to a program, in the order in which the files are best read:

    node         noting down: placeholders, variables, ops; `gradients` of a graph
    trace, jit   the other way to a graph: run an eager function on symbols
    retrace      why a function had to be traced once more, said in words

    rewrite      the graph made smaller, in named stages
    fuse         which nodes run together as one step
    plan         the order of the steps, and where in memory each result goes
    steps        a plan as something to read
    interpreter  the steps as Python source, a call of NumPy each (C: minigrad.native)
    pieces       its steps over large arrays, cut so that they stay in the cache

    build        all of that once, for one tuple of shapes and one target
    specialise   first a graph whose sizes are known, where they were None
    placement    on which device it runs
    program      what `compile` returns: checks what it is fed, and runs a build
    session      TensorFlow 1's way of calling it

Loops and branches are nodes whose bodies are graphs; all that is only theirs:

    control            `scan`, `while_loop`, `cond` as functions, in every mode
    body               what the user's function computes, traced on its own
    loop               the nodes that come of it, and their derivatives
    loop_rewrites      what nobody reads is dropped, what can be is moved out
    interpreter_loops  the same as indented Python
"""
