"""batchyard: self-hosted batch inference that speaks Azure Machine Learning's language. See ARCHITECTURE.md."""
