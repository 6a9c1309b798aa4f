"""What every public function keeps, checked over one table of cases."""
