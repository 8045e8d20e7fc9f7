int dummy();
