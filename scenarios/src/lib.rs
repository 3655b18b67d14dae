//! Lab documents of hopwise: parser, runner and reports
