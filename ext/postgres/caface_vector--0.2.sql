\echo Use "CREATE EXTENSION caface_vector" to load this file. \quit

-- pgvector itself casts vector to real[] where a function asks for it, and real[] to vector at an
-- assignment, so features and templates in vectors need nothing. This is for bytea. The names
-- are written out because a function's body looks for them wherever its caller is.
DO $do$
DECLARE
    ours text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'caface');
    theirs text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                    WHERE e.extname = 'vector');
BEGIN
    EXECUTE format('CREATE FUNCTION caface_vector(numbers bytea) RETURNS %2$I.vector LANGUAGE sql '
        'STABLE STRICT PARALLEL SAFE AS $f$ SELECT %1$I.caface_floats(numbers)::%2$I.vector $f$',
        ours, theirs);
    EXECUTE format('CREATE FUNCTION caface_bytes(numbers %2$I.vector) RETURNS bytea LANGUAGE sql '
        'IMMUTABLE STRICT PARALLEL SAFE AS $f$ SELECT %1$I.caface_bytes(numbers::real[]) $f$',
        ours, theirs);
    EXECUTE format('CREATE CAST (bytea AS %I.vector) WITH FUNCTION caface_vector(bytea)', theirs);
    EXECUTE format('CREATE CAST (%1$I.vector AS bytea) WITH FUNCTION caface_bytes(%1$I.vector)',
        theirs);
END
$do$;
