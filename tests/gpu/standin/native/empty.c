/* A library of which only the name is needed. */
int standin_empty;
